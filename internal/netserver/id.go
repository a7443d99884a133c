package netserver

import "crypto/rand"

// ID is a short text that no other connection has: ten random letters and digits.
// It is an array, so that a connection that nobody asks for it has no string.
type ID [10]byte

// NewID draws an ID.
func NewID() (id ID) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	rand.Read(id[:]) // never fails
	for i := range id {
		id[i] = alphabet[int(id[i])%len(alphabet)]
	}
	return id
}

func (id ID) String() string { return string(id[:]) }

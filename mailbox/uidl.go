package mailbox

import (
	"crypto/sha256"
	"encoding/hex"
)

// MaxUIDLLength is the longest unique-id, in octets (RFC 1939 section 7).
const MaxUIDLLength = 70

// ValidUIDL tells whether s may stand in a unique-id listing: 1 to 70 octets
// in the range 0x21 to 0x7E (RFC 1939 section 7).
func ValidUIDL(s string) bool {
	if len(s) == 0 || len(s) > MaxUIDLLength {
		return false
	}
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// SafeUIDL returns s where it is a legal unique-id, and a digest of it
// otherwise: always the same for the same s, so that it holds for life.
func SafeUIDL(s string) string {
	if ValidUIDL(s) {
		return s
	}
	return digestUIDL(s)
}

// UIDL returns the unique-id that clients see for m: its own where it has one,
// else its ID; made legal by [SafeUIDL]. It depends on nothing but the message
// itself, so neither time nor the rest of the maildrop can change it.
func UIDL(m Message) string {
	if m.UIDL != "" {
		return SafeUIDL(m.UIDL)
	}
	return SafeUIDL(m.ID)
}

// DistinctUIDL is the unique-id that a server shows, in place of [UIDL], for
// each message of a listing in which several have the same: no two of them can
// then be taken for each other. A store that keeps the rules of [Delivery]
// never needs it.
func DistinctUIDL(m Message) string {
	return digestUIDL(UIDL(m) + "\x00" + m.ID)
}

// digestUIDL is short enough to be legal and long enough not to collide.
func digestUIDL(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:20])
}

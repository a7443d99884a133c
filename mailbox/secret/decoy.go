package secret

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// Decoy makes up what a server shows of a user that does not exist, so that
// clients cannot see who does. What it makes up depends on a key alone: servers
// of the same users should have the same key.
type Decoy struct{ key []byte }

// NewDecoy returns the decoy of a key, of 32 random octets.
func NewDecoy(key []byte) Decoy { return Decoy{key} }

// LocalDecoy is one with a key of this process.
var LocalDecoy = NewDecoy([]byte(rand.Text()))

// MadeUp is the keys of a user that does not exist: like real ones they are the
// same each time, as far as a client sees them, and no password fits them. They
// have the salt's length and the iterations of one of others, which the name
// decides; without others, or if that is a zero SCRAM, they are as DeriveFor
// makes them.
func (d Decoy) MadeUp(name string, hash crypto.Hash, others []SCRAM) SCRAM {
	salt := d.salt(name, hash)
	keys := SCRAM{Hash: hash, Salt: salt[:saltLength], Iterations: DefaultIterations}
	if len(others) > 0 {
		like := others[binary.BigEndian.Uint32(salt[len(salt)-4:])%uint32(len(others))]
		if like.Iterations > 0 {
			keys.Salt, keys.Iterations = d.lengthened(salt, len(like.Salt)), like.Iterations
		}
	}
	keys.StoredKey = make([]byte, hash.Size())
	rand.Read(keys.StoredKey)
	keys.ServerKey = keys.StoredKey
	return keys
}

// DeriveFor makes the keys of a password that is kept as it is, for a login by
// SCRAM. The salt is the one that MadeUp has for the name.
func (d Decoy) DeriveFor(name string, hash crypto.Hash, password string) (SCRAM, error) {
	return Derive(hash, password, d.salt(name, hash)[:saltLength], DefaultIterations)
}

// lengthened returns a salt of a length, which begins with another one. Without the
// key nobody sees that it goes on as that demands.
func (d Decoy) lengthened(salt []byte, length int) []byte {
	for len(salt) < length {
		next := hmac.New(sha256.New, d.key)
		next.Write(salt)
		salt = next.Sum(salt)
	}
	return salt[:length]
}

func (d Decoy) salt(name string, hash crypto.Hash) []byte {
	if canonical, err := mailbox.CanonicalUser(name); err == nil {
		name = canonical
	}
	sum := hmac.New(sha256.New, d.key)
	fmt.Fprintf(sum, "%v %s", hash, name)
	return sum.Sum(nil)
}

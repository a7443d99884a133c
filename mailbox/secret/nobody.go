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

// MadeUp is the keys of a user that does not exist, for a server that must not
// show who does: like real ones they are the same each time, as far as a client
// sees them, and no password fits them. They have the salt's length and the
// iterations of one of others, which the name decides; without others, or if
// that is a zero SCRAM, they are as DeriveFor makes them.
func MadeUp(name string, hash crypto.Hash, others []SCRAM) SCRAM {
	salt := saltOf(name, hash)
	keys := SCRAM{Hash: hash, Salt: salt[:saltLength], Iterations: DefaultIterations}
	if len(others) > 0 {
		like := others[binary.BigEndian.Uint32(salt[len(salt)-4:])%uint32(len(others))]
		if like.Iterations > 0 {
			keys.Salt, keys.Iterations = salt[:min(len(like.Salt), len(salt))], like.Iterations
		}
	}
	keys.StoredKey = make([]byte, hash.Size())
	rand.Read(keys.StoredKey)
	keys.ServerKey = keys.StoredKey
	return keys
}

// DeriveFor makes the keys of a password that is kept as it is, for a login by
// SCRAM. The salt is the one that MadeUp has for the name.
func DeriveFor(name string, hash crypto.Hash, password string) (SCRAM, error) {
	return Derive(hash, password, saltOf(name, hash)[:saltLength], DefaultIterations)
}

// saltKey makes the salts of names for which none is stored. Each process has
// its own.
var saltKey = []byte(rand.Text())

func saltOf(name string, hash crypto.Hash) []byte {
	if canonical, err := mailbox.CanonicalUser(name); err == nil {
		name = canonical
	}
	sum := hmac.New(sha256.New, saltKey)
	fmt.Fprintf(sum, "%v %s", hash, name)
	return sum.Sum(nil)
}

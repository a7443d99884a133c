package secret

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// MadeUp is the keys of a user that does not exist, for a server that must not
// show who does: like real ones they have the same salt each time, and no
// password fits them. The salt and the number of iterations are those of model
// if it has them, else DefaultIterations and a salt that this process has for
// the name.
func MadeUp(name string, hash crypto.Hash, model SCRAM) SCRAM {
	if model.Hash != hash || model.Iterations < 1 || len(model.Salt) == 0 {
		model = SCRAM{Hash: hash, Salt: saltOf(name, hash), Iterations: DefaultIterations}
	}
	model.StoredKey = make([]byte, hash.Size())
	rand.Read(model.StoredKey)
	model.ServerKey = model.StoredKey
	return model
}

// DeriveFor makes the keys of a password that is kept as it is, for a login by
// SCRAM. The salt is the one that MadeUp has for the name.
func DeriveFor(name string, hash crypto.Hash, password string) (SCRAM, error) {
	return Derive(hash, password, saltOf(name, hash), DefaultIterations)
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
	return sum.Sum(nil)[:16]
}

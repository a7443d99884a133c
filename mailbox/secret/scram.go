package secret

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/xdg-go/scram"
)

// SCRAM is what a server keeps of a password for the mechanisms SCRAM-SHA-256
// (RFC 7677) and SCRAM-SHA-1 (RFC 5802). Who reads it cannot log in with it, and
// can only guess the password, for which each guess costs Iterations rounds.
type SCRAM struct {
	Hash       crypto.Hash // crypto.SHA256 or crypto.SHA1
	Salt       []byte
	Iterations int
	StoredKey  []byte
	ServerKey  []byte
}

// DefaultIterations is the number of rounds of a new secret. It is what RFC 7677
// section 4 asks for at least. A login by SCRAM costs the client so many rounds,
// one that discloses the password the server.
const DefaultIterations = 4096

// NewSCRAM makes the secret of a password with a new salt. 0 iterations mean
// DefaultIterations; fewer are an error (RFC 7677 section 4), and so is another
// hash than the two.
func NewSCRAM(hash crypto.Hash, password string, iterations int) (SCRAM, error) {
	if iterations == 0 {
		iterations = DefaultIterations
	}
	if iterations < DefaultIterations {
		return SCRAM{}, fmt.Errorf("secret: %d iterations are too few: want %d at least", iterations, DefaultIterations)
	}
	if password == "" {
		return SCRAM{}, errors.New("secret: the password is empty")
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return Salted(hash, password, salt, iterations)
}

// Salted is the secret of a password with a salt and a number of iterations.
func Salted(hash crypto.Hash, password string, salt []byte, iterations int) (SCRAM, error) {
	newHash, err := generator(hash)
	if err != nil {
		return SCRAM{}, err
	}
	client, err := newHash.NewClient("", password, "")
	if err != nil { // SASLprep does not have it: as it is, as most clients do
		client, err = newHash.NewClientUnprepped("", password, "")
	}
	if err != nil {
		return SCRAM{}, err
	}
	keys, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return SCRAM{}, err
	}
	return SCRAM{Hash: hash, Salt: salt, Iterations: iterations, StoredKey: keys.StoredKey, ServerKey: keys.ServerKey}, nil
}

func generator(hash crypto.Hash) (scram.HashGeneratorFcn, error) {
	switch hash {
	case crypto.SHA256:
		return scram.SHA256, nil
	case crypto.SHA1:
		return scram.SHA1, nil
	}
	return nil, fmt.Errorf("secret: no SCRAM with %v here: there are SHA-256 and SHA-1", hash)
}

// Fits reports whether a password is the one of the secret. It costs the work of
// a guess.
func (s SCRAM) Fits(password string) bool {
	given, err := Salted(s.Hash, password, s.Salt, s.Iterations)
	return err == nil && hmac.Equal(given.StoredKey, s.StoredKey)
}

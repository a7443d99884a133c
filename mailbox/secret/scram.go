package secret

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

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

const (
	// DefaultIterations is the number of rounds of new keys: what RFC 7677
	// section 4 asks for at least. A login by SCRAM costs the client so many
	// rounds, one that discloses the password the server.
	DefaultIterations = 4096

	// MaxIterations is the highest number that is taken: some seconds of work.
	MaxIterations = 10_000_000

	// MaxPassword is the longest password in octets that fits keys. To prepare
	// one that a client sends must not take longer than the rounds.
	MaxPassword = 1024

	saltLength = 16 // octets, of a new salt
)

// NewSCRAM makes the keys of a password with a new salt. 0 iterations mean
// DefaultIterations; fewer are an error (RFC 7677 section 4), and so are another
// hash than the two, and a password that is longer than MaxPassword.
func NewSCRAM(hash crypto.Hash, password string, iterations int) (SCRAM, error) {
	if iterations == 0 {
		iterations = DefaultIterations
	}
	if iterations < DefaultIterations || iterations > MaxIterations {
		return SCRAM{}, fmt.Errorf("%d iterations: want %d to %d", iterations, DefaultIterations, MaxIterations)
	}
	if password == "" {
		return SCRAM{}, errEmpty
	}
	if len(password) > MaxPassword {
		return SCRAM{}, fmt.Errorf("the password has %d octets: %d are the most", len(password), MaxPassword)
	}
	salt := make([]byte, saltLength)
	rand.Read(salt)
	return Derive(hash, password, salt, iterations)
}

// Derive makes the keys of a password with a salt and a number of iterations.
// The password is prepared by SASLprep (RFC 4013); one that SASLprep does not
// take is used as it is, as most clients do.
func Derive(hash crypto.Hash, password string, salt []byte, iterations int) (SCRAM, error) {
	newHash, err := generator(hash)
	if err != nil {
		return SCRAM{}, err
	}
	client, err := newHash.NewClient("", password, "")
	if err != nil {
		if client, err = newHash.NewClientUnprepped("", password, ""); err != nil {
			return SCRAM{}, err
		}
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
	return nil, fmt.Errorf("no SCRAM with %v here: there are SHA-256 and SHA-1", hash)
}

// Fits reports whether a password is the one of the keys. It costs the work of a
// guess, unless the password is longer than MaxPassword.
func (k SCRAM) Fits(password string) bool {
	if len(password) > MaxPassword {
		return false
	}
	given, err := Derive(k.Hash, password, k.Salt, k.Iterations)
	return err == nil && hmac.Equal(given.StoredKey, k.StoredKey)
}

// String names the form of the keys, and shows nothing of them.
func (k SCRAM) String() string { return "{SCRAM-" + k.Hash.String() + "}" }

// Format is String, for every verb.
func (k SCRAM) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// LogValue is String, for log/slog.
func (k SCRAM) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String, for encoders (JSON among them). See Secret.Encode.
func (k SCRAM) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

func (k SCRAM) encode() string {
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s%d,%s,%s,%s", k.String(), k.Iterations, text(k.Salt), text(k.StoredKey), text(k.ServerKey))
}

// parseSCRAM reads one word, as encode writes it. No error quotes it.
func parseSCRAM(word string) (k SCRAM, err error) {
	form, rest, _ := strings.Cut(word, "}")
	for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA1} {
		if strings.EqualFold(form, "{SCRAM-"+hash.String()) {
			k.Hash = hash
		}
	}
	fields := strings.Split(rest, ",")
	if k.Hash == 0 || len(fields) != 4 {
		return k, errors.New("not of the form {SCRAM-SHA-256}ITERATIONS,SALT,STORED,SERVER")
	}
	if k.Iterations, err = strconv.Atoi(fields[0]); err != nil || k.Iterations < 1 || k.Iterations > MaxIterations {
		return k, fmt.Errorf("the iterations of %s are not a number from 1 to %d", k, MaxIterations)
	}
	for i, field := range []*[]byte{&k.Salt, &k.StoredKey, &k.ServerKey} {
		if *field, err = base64.StdEncoding.Strict().DecodeString(fields[1+i]); err != nil || len(*field) == 0 {
			return k, fmt.Errorf("field %d of %s is not base64", 2+i, k)
		}
	}
	if len(k.StoredKey) != k.Hash.Size() || len(k.ServerKey) != k.Hash.Size() {
		return k, fmt.Errorf("the keys of %s have not %d octets", k, k.Hash.Size())
	}
	return k, nil
}

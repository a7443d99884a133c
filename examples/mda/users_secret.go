package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// secret is either plain or hashed.
type secret struct {
	plain  string
	bcrypt []byte
	line   int // in the file
}

// cost is that of the hash, 0 if the secret is plain.
func (s secret) cost() int {
	cost, _ := bcrypt.Cost(s.bcrypt)
	return cost
}

var (
	// scheme is the prefix of a secret that names its form.
	scheme = regexp.MustCompile(`^\{([A-Za-z0-9._-]+)\}`)

	// crypted is how the hashes of crypt(3) begin.
	crypted = regexp.MustCompile(`^\$[^$]+\$`)

	// bcryptHash is the form of a hash. Package bcrypt checks it at a login
	// only, and then reports a malformed one as a wrong password.
	bcryptHash = regexp.MustCompile(`^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$`)
)

// ifPassword ends the errors about secrets that begin like a hash. To take one
// for a password would let everybody in who has read the file.
const ifPassword = "if it is a password, write {PLAIN} in front of it"

// parseSecret reads the secret of a line. A plain one has its spaces; but a
// space in front of a hash does not make a password of it.
func parseSecret(text string) (secret, error) {
	form := strings.TrimLeft(text, " \t")
	match := scheme.FindStringSubmatch(form)
	switch {
	case match != nil:
		return parseScheme(match[1], form[len(match[0]):])
	case crypted.MatchString(form):
		hash, ok := parseHash(form)
		if !ok {
			return secret{}, errors.New("it begins like a hash, and is no bcrypt hash: " + ifPassword)
		}
		return secret{bcrypt: hash}, nil
	}
	return parsePlain(text)
}

func parseScheme(name, text string) (secret, error) {
	switch strings.ToUpper(name) {
	case "PLAIN":
		return parsePlain(text)
	case "BCRYPT", "BLF-CRYPT":
		hash, ok := parseHash(text)
		if !ok {
			return secret{}, fmt.Errorf("what follows {%s} is no bcrypt hash", name)
		}
		return secret{bcrypt: hash}, nil
	}
	return secret{}, fmt.Errorf("unknown scheme {%s}: there are {BCRYPT}, {BLF-CRYPT} and {PLAIN}; %s", name, ifPassword)
}

func parsePlain(text string) (secret, error) {
	if text == "" {
		return secret{}, errors.New("the secret is empty")
	}
	return secret{plain: text}, nil
}

func parseHash(text string) (hash []byte, ok bool) {
	hash = []byte(strings.TrimSpace(text))
	_, err := bcrypt.Cost(hash)
	return hash, err == nil && bcryptHash.Match(hash)
}

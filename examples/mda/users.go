package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// users are the users that have a mailbox. A users file has one on each line,
// as name:secret. The name ends at the first colon; the secret is the rest of
// the line, its spaces included:
//
//	# comment
//	alice@example.org:correct horse battery staple
//	bob:{BCRYPT}$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
//	carol:{PLAIN}{begins like a scheme}
//
// htpasswd -nB bob writes such a hash (what follows the colon).
type users struct {
	secrets map[string]secret // by canonical name

	// dummy is the hash to compare with if the user is unknown or the secret is
	// plain, so that all answers take equally long. It is nil if no secret is
	// hashed.
	dummy []byte
}

// secret is either plain or hashed.
type secret struct {
	plain  string
	bcrypt []byte
	line   int // in the file
}

const demo = "demo"

// loadUsers reads a users file; "" means the demo user alone.
func loadUsers(file string) (*users, error) {
	if file == "" {
		return parseUsers(strings.NewReader(demo + ":" + demo))
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("-users: %w", err)
	}
	defer f.Close()
	u, err := parseUsers(f)
	if err != nil {
		return nil, fmt.Errorf("-users %s: %w", file, err)
	}
	return u, nil
}

// parseUsers reads the lines of a users file. No error quotes a secret.
func parseUsers(r io.Reader) (*users, error) {
	u := &users{secrets: make(map[string]secret)}
	lines := bufio.NewScanner(r)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSuffix(lines.Text(), "\r")
		if number == 1 {
			line = strings.TrimPrefix(line, "\ufeff") // what some editors begin a file with
		}
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if err := u.add(line, number); err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(u.secrets) == 0 {
		return nil, errors.New("no users in it")
	}
	return u, nil
}

func (u *users) add(line string, number int) error {
	name, text, found := strings.Cut(line, ":")
	if !found {
		return errors.New("not of the form name:secret")
	}
	user, err := mailbox.CanonicalUser(strings.TrimSpace(name))
	if err != nil {
		return fmt.Errorf("the name before the colon: %w", err)
	}
	if earlier, twice := u.secrets[user]; twice {
		return fmt.Errorf("%s is on line %d already", user, earlier.line)
	}
	s, err := parseSecret(text)
	if err != nil {
		return fmt.Errorf("%s: %w", user, err)
	}
	s.line = number
	u.secrets[user] = s
	if len(s.bcrypt) > 0 {
		u.dummy = costlier(u.dummy, s.bcrypt)
	}
	return nil
}

// scheme is the prefix of a secret that names its form.
var scheme = regexp.MustCompile(`^\{([A-Za-z0-9._-]+)\}`)

// bcryptHash is the form of a hash. Package bcrypt checks it at a login only,
// and then reports a malformed one as a wrong password.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$`)

func parseSecret(text string) (secret, error) {
	if text == "" {
		return secret{}, errors.New("the secret is empty")
	}
	match := scheme.FindStringSubmatch(text)
	if match == nil {
		return secret{plain: text}, nil
	}
	text = text[len(match[0]):]
	switch strings.ToUpper(match[1]) {
	case "PLAIN":
		if text == "" {
			return secret{}, errors.New("the secret is empty")
		}
		return secret{plain: text}, nil
	case "BCRYPT":
		hash := []byte(strings.TrimSpace(text))
		if _, err := bcrypt.Cost(hash); err != nil || !bcryptHash.Match(hash) {
			return secret{}, errors.New("what follows {BCRYPT} is no bcrypt hash")
		}
		return secret{bcrypt: hash}, nil
	}
	return secret{}, fmt.Errorf("unknown scheme {%s}: there are {BCRYPT} and {PLAIN}", match[1])
}

func costlier(a, b []byte) []byte {
	costA, _ := bcrypt.Cost(a) // 0 for nil
	costB, _ := bcrypt.Cost(b)
	if costB > costA {
		return b
	}
	return a
}

// authenticator returns what POP3 logs users in with. It offers APOP only if
// all secrets are plain, since the greeting offers APOP to all users or to
// none.
func (u *users) authenticator() pop3.Authenticator {
	if u.dummy != nil {
		return u
	}
	return plainUsers{u}
}

// Authenticate implements [pop3.Authenticator].
func (u *users) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	user, known := u.find(login.User)
	s := u.secrets[user]

	hash := s.bcrypt
	if hash == nil {
		hash = u.dummy
	}
	fits := samePlain(s.plain, login.Password)
	if hash != nil {
		matches := bcrypt.CompareHashAndPassword(hash, []byte(login.Password)) == nil
		if s.bcrypt != nil {
			fits = matches
		}
	}
	if !known || !fits {
		return "", mailbox.ErrAuthFailed
	}
	if err := actsForItself(user, login.AuthorizationID); err != nil {
		return "", err
	}
	return user, nil
}

func (u *users) find(name string) (user string, known bool) {
	user, err := mailbox.CanonicalUser(name)
	if err != nil {
		return "", false
	}
	_, known = u.secrets[user]
	return user, known
}

// samePlain reports whether two secrets are the same. It takes equally long for
// all secrets of the same lengths.
func samePlain(want, got string) bool {
	w, g := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(w[:], g[:]) == 1
}

// actsForItself refuses a user that asks for the mailbox of another one.
func actsForItself(user, authorizationID string) error {
	if authorizationID == "" {
		return nil
	}
	if other, err := mailbox.CanonicalUser(authorizationID); err != nil || other != user {
		return fmt.Errorf("%w: %s may not act for %q", mailbox.ErrAuthFailed, user, authorizationID)
	}
	return nil
}

// plainUsers are users whose secrets are all plain.
type plainUsers struct{ *users }

var _ pop3.SharedSecrets = plainUsers{}

// SharedSecret implements [pop3.SharedSecrets].
func (u plainUsers) SharedSecret(_ context.Context, login mailbox.Login) (plain, user string, err error) {
	user, known := u.find(login.User)
	if !known {
		return "", "", mailbox.ErrAuthFailed
	}
	return u.secrets[user].plain, user, nil
}

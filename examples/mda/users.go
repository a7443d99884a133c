package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
)

// users are the users that have a mailbox. A users file has one on each line,
// as name:secret. The name ends at the first colon; the secret is the rest of
// the line, its spaces included:
//
//	# comment
//	alice@example.org:correct horse battery staple
//	bob:{BCRYPT}$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
//	carol:{PLAIN}{begins like a scheme}
//	dan:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
//
// mda hash writes bob's form, htpasswd -nB dan the line of dan.
type users struct {
	secrets map[string]secret // by canonical name
	dearest int               // the highest cost of a hash; 0 if all secrets are plain

	compare func(hash, password []byte) error // of bcrypt
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
	u := &users{secrets: make(map[string]secret), compare: bcrypt.CompareHashAndPassword}
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
	u.dearest = max(u.dearest, s.cost())
	return nil
}

package auth

import (
	"bufio"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// Users are users and their secrets. A login may have any address of the user:
// its name, or its name as the part before the @. Mail goes by the same rule.
//
// What clients may use follows from the secrets: USER, PLAIN and LOGIN with any;
// SCRAM with a hash if every user has plain secrets or keys for that hash; APOP
// and CRAM-MD5 if all secrets are plain. What SCRAM shows of users that do not
// exist depends on the secret of the first user, and stays as long as that.
type Users struct {
	users    map[string]user // by canonical name
	work     secret.Work
	fits     func(secret.Secret, string) bool // of work
	anyPlain bool
	allPlain bool
	domains  map[string]bool // of users whose names have one
	anyBare  bool            // a user's name has none
	decoy    secret.Decoy
	scram    map[crypto.Hash][]secret.SCRAM // of those who have them; the zero one of a plain secret
}

type user struct {
	secret secret.Secret
	line   int
}

var (
	_ mailbox.Directory  = (*Users)(nil)
	_ pop3.SharedSecrets = (*Users)(nil)
	_ pop3.SCRAMSecrets  = (*Users)(nil)
	_ pop3.Selective     = (*Users)(nil)
)

// ParseUsers reads users, one on each line, as name:secret. The name ends at the
// first colon; the secret is the rest of the line, its spaces included, in one
// of the forms of package secret:
//
//	# comment
//	alice@example.org:correct horse battery staple
//	bob:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm...,wfPLwcE6...
//	carol:{PLAIN}{begins like a form}
//	dan:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy
//
// No error quotes a secret.
func ParseUsers(r io.Reader) (*Users, error) {
	u := &Users{users: make(map[string]user), domains: make(map[string]bool)}
	lines := bufio.NewScanner(r)
	number := 1
	for ; lines.Scan(); number++ {
		line := lines.Text() // without its LF or CRLF
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
		return nil, fmt.Errorf("line %d: %w", number, err)
	}
	if len(u.users) == 0 {
		return nil, errors.New("no users in it")
	}
	u.sum()
	return u, nil
}

func (u *Users) add(line string, number int) error {
	name, text, found := strings.Cut(line, ":")
	if !found {
		return errors.New("not of the form name:secret")
	}
	canonical, err := mailbox.CanonicalUser(strings.TrimSpace(name))
	if err != nil {
		return fmt.Errorf("the name before the colon: %w", err)
	}
	if earlier, twice := u.users[canonical]; twice {
		return fmt.Errorf("%s is on line %d already", canonical, earlier.line)
	}
	s, err := secret.Parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", canonical, err)
	}
	if len(u.users) == 0 { // the same after a restart, and on every host with the file
		key := sha256.Sum256([]byte("decoy " + s.Encode()))
		u.decoy = secret.NewDecoy(key[:])
	}
	if _, domain, has := cutAt(canonical); has {
		u.domains[domain] = true
	} else {
		u.anyBare = true
	}
	u.users[canonical] = user{s, number}
	return nil
}

// sum notes what all secrets have in common.
func (u *Users) sum() {
	u.allPlain, u.fits = true, u.work.Fits
	u.scram = make(map[crypto.Hash][]secret.SCRAM)
	for _, name := range slices.Sorted(maps.Keys(u.users)) { // so that MadeUp always chooses the same
		one := u.users[name]
		u.work.Add(one.secret)
		_, plain := one.secret.Plain()
		u.anyPlain = u.anyPlain || plain
		u.allPlain = u.allPlain && plain
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA1} {
			if keys, has := one.secret.SCRAM(hash); has || plain {
				u.scram[hash] = append(u.scram[hash], keys)
			}
		}
	}
}

// Lookup implements [mailbox.Directory].
func (u *Users) Lookup(_ context.Context, address string) (string, error) {
	if name, known := u.resolve(address); known {
		return name, nil
	}
	if _, err := mailbox.CanonicalUser(address); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%q: %w", address, mailbox.ErrNoSuchUser)
}

// resolve returns the user to whom an address belongs: the user of that name,
// else the user whose name is the part before the @. It does the same for every
// address.
func (u *Users) resolve(address string) (name string, known bool) {
	name, err := mailbox.CanonicalUser(address)
	short, _, _ := cutAt(name)
	_, isUser := u.users[name]
	_, isShort := u.users[short]
	switch {
	case err != nil:
		return "", false
	case isUser:
		return name, true
	}
	return short, isShort
}

// cutAt cuts an address at its last @.
func cutAt(address string) (name, domain string, has bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address, "", false
	}
	return address[:at], address[at+1:], true
}

// Offers implements [pop3.Selective].
func (u *Users) Offers(mechanism string) bool {
	switch mechanism {
	case "APOP", "CRAM-MD5":
		return u.allPlain
	case "SCRAM-SHA-256":
		return len(u.scram[crypto.SHA256]) == len(u.users)
	case "SCRAM-SHA-1":
		return len(u.scram[crypto.SHA1]) == len(u.users)
	}
	return true
}

// Authenticate implements [pop3.Authenticator]. It takes equally long for every
// user and for none.
func (u *Users) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	name, s, err := u.find(login)
	if fits := u.fits(s, login.Password); err != nil || !fits {
		return "", mailbox.ErrAuthFailed
	}
	return u.actsForItself(name, login.AuthorizationID)
}

// SharedSecret implements [pop3.SharedSecrets].
func (u *Users) SharedSecret(_ context.Context, login mailbox.Login) (shared, name string, err error) {
	name, s, err := u.find(login)
	shared, plain := s.Plain()
	if err != nil || !plain {
		return "", "", mailbox.ErrAuthFailed
	}
	name, err = u.actsForItself(name, login.AuthorizationID)
	return shared, name, err
}

// SCRAMSecret implements [pop3.SCRAMSecrets]. The keys of an unknown user look
// like those of one of the others. What must be made for one user is made for
// each, so that it takes as long.
func (u *Users) SCRAMSecret(_ context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	name, s, err := u.find(login)
	wouldBe := u.wouldBe(login.User)
	if err != nil {
		name = wouldBe
	}
	keys, has := s.SCRAM(hash)
	madeUp := u.decoy.MadeUp(name, hash, u.scram[hash])
	if u.anyPlain {
		plain, is := s.Plain()
		derived, failed := u.decoy.DeriveFor(name, hash, plain)
		if is && failed == nil {
			keys, has = derived, true
		}
	}
	if err != nil || !has {
		return madeUp, "", mailbox.ErrAuthFailed
	}
	name, err = u.actsForItself(name, login.AuthorizationID)
	return keys, name, err
}

// wouldBe is the name that an unknown user would have: all addresses of a user
// have the same keys, and so must those of nobody. If there are users with a domain
// and users without, nobody is like the ones or like the others, as the name
// decides: else a name without a domain would be a user's if it had the keys that
// it has with one.
func (u *Users) wouldBe(address string) string {
	if canonical, err := mailbox.CanonicalUser(address); err == nil {
		address = canonical
	}
	name, domain, _ := cutAt(address)
	if !u.domains[domain] || u.anyBare && (u.heads(name) || u.heads(address)) {
		return name
	}
	return address
}

// heads tosses a coin that always falls the same for a name.
func (u *Users) heads(name string) bool {
	return u.decoy.MadeUp("coin "+name, crypto.SHA256, nil).Salt[0]&1 == 0
}

// find returns the user of a login, and its secret; of nobody the zero Secret.
func (u *Users) find(login mailbox.Login) (name string, s secret.Secret, err error) {
	name, known := u.resolve(login.User)
	if !known {
		err = mailbox.ErrAuthFailed
	}
	return name, u.users[name].secret, err
}

// actsForItself refuses a user that asks for the mailbox of another one.
func (u *Users) actsForItself(name, authorizationID string) (string, error) {
	if authorizationID == "" {
		return name, nil
	}
	if other, known := u.resolve(authorizationID); !known || other != name {
		return "", fmt.Errorf("%w: %s may not act for %q", mailbox.ErrAuthFailed, name, authorizationID)
	}
	return name, nil
}

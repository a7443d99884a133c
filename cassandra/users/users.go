package users

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

// Options are those of [New].
type Options struct {
	// SCRAM are the hashes for which every user has keys, so that clients may
	// use SCRAM with them: Set refuses a secret without. Nil means crypto.SHA256
	// alone. With an empty slice Set takes any secret, bcrypt hashes of another
	// system for example, and SCRAM is not offered.
	SCRAM []crypto.Hash

	// Iterations is how many every user's keys have; 0 means
	// secret.DefaultIterations. Set refuses others, and a salt that has not the
	// 16 octets of secret.NewSCRAM: a client sees both, and would know by them
	// who exists.
	Iterations int
}

// Users are the users of a keyspace. It is safe for concurrent use.
type Users struct {
	session *cassandra.Session
	db      cql.DB
	scram   []crypto.Hash
	keys    secret.SCRAM // how many iterations keys have, and how long a salt
	work    secret.Work
	decoy   secret.Decoy
}

// New returns the users of the session's keyspace, whose table [Migrate] has
// made.
func New(ctx context.Context, session *cassandra.Session, options Options) (*Users, error) {
	if options.SCRAM == nil {
		options.SCRAM = []crypto.Hash{crypto.SHA256}
	}
	u := &Users{session: session, db: session.DB(), scram: options.SCRAM}
	u.keys = secret.SCRAM{Iterations: cmp.Or(options.Iterations, secret.DefaultIterations), Salt: make([]byte, 16)}
	key, err := u.read(ctx, decoyName)
	if err != nil {
		return nil, fmt.Errorf("%w: users.Migrate makes the table", err)
	}
	if key.secret.value == "" {
		return nil, errors.New("users: the table users lacks a row: users.Migrate writes it")
	}
	u.decoy = secret.NewDecoy([]byte(key.secret.value))
	for _, hash := range u.scram { // so that the first check takes as long as later ones
		u.work.Add(secret.Keys(secret.SCRAM{Hash: hash, Iterations: u.keys.Iterations}))
	}
	return u, nil
}

// User is what [Users.List] shows of a name.
type User struct {
	Name     string `json:"name"`
	Forms    string `json:"forms,omitempty"` // of the secret, as "{SCRAM-SHA-256}"; "" for an alias
	Disabled bool   `json:"disabled,omitempty"`
	AliasOf  string `json:"aliasOf,omitempty"` // the user that the name is an alias of; "" for a user
}

// ErrExists says that a name is a user already, or an alias.
var ErrExists = errors.New("the name is taken")

// Set gives a user a secret: a new user, or one that is there. everywhere
// reports whether all data centres have it; if not, the others follow when they
// can be reached.
func (u *Users) Set(ctx context.Context, name string, s secret.Secret) (everywhere bool, err error) {
	for _, hash := range u.scram {
		keys, has := s.SCRAM(hash)
		switch {
		case !has:
			return false, fmt.Errorf("users: %s: the secret has no keys of SCRAM-%v: see Options.SCRAM", name, hash)
		case keys.Iterations != u.keys.Iterations || len(keys.Salt) != len(u.keys.Salt):
			return false, fmt.Errorf("users: %s: the keys of SCRAM-%v have %d iterations and a salt of %d octets, those of others %d and %d: see Options.Iterations",
				name, hash, keys.Iterations, len(keys.Salt), u.keys.Iterations, len(u.keys.Salt))
		}
	}
	if again, err := secret.Parse(s.Encode()); err != nil { // the zero Secret would make nobody of the user
		return false, fmt.Errorf("users: %s: %w", name, err)
	} else if again.Encode() != s.Encode() { // the text of a zero SCRAM reads as a password
		return false, fmt.Errorf("users: %s: the secret cannot be written", name)
	}
	name, before, err := u.canonical(ctx, name)
	if err != nil {
		return false, err
	}
	if before.alias.value != "" {
		return false, fmt.Errorf("users: %s: %w: it is an alias of %s", name, ErrExists, before.alias.value)
	}
	return u.write(ctx, insertSecret, name, before.secret, s.Encode())
}

// Disable makes the logins of a user fail, from the next one on. Its mail is
// still delivered. A session that is open stays.
func (u *Users) Disable(ctx context.Context, name string) (everywhere bool, err error) {
	return u.setState(ctx, name, disabled)
}

// Enable undoes Disable.
func (u *Users) Enable(ctx context.Context, name string) (everywhere bool, err error) {
	return u.setState(ctx, name, active)
}

func (u *Users) setState(ctx context.Context, name, state string) (everywhere bool, err error) {
	name, before, err := u.canonical(ctx, name)
	if err != nil {
		return false, err
	}
	if before.secret.value == "" {
		return false, fmt.Errorf("users: %s: %w", name, mailbox.ErrNoSuchUser)
	}
	return u.write(ctx, insertState, name, before.state, state)
}

// SetAlias makes a name an alias of a user, whose mail it gets and as whom it
// logs in, instead of what it was an alias of. An empty user ends the alias.
//
// Where SCRAM is offered, a client that knows both names can see that they belong
// together, and so that they exist: they have the same salt.
func (u *Users) SetAlias(ctx context.Context, name, user string) (everywhere bool, err error) {
	name, before, err := u.canonical(ctx, name)
	if err != nil {
		return false, err
	}
	if user != "" { // of two hosts at once one may make a user of the name: then the alias can still be ended
		if before.secret.value != "" {
			return false, fmt.Errorf("users: %s: %w: it is a user", name, ErrExists)
		}
		var of row
		if user, of, err = u.canonical(ctx, user); err != nil {
			return false, err
		}
		if of.secret.value == "" {
			return false, fmt.Errorf("users: alias %s of %s: %w", name, user, mailbox.ErrNoSuchUser)
		}
	}
	return u.write(ctx, insertAlias, name, before.alias, user)
}

// canonical returns the canonical form of a name, and its row.
func (u *Users) canonical(ctx context.Context, name string) (string, row, error) {
	_, name, err := u.session.Mailbox(name)
	if err != nil {
		return "", row{}, err
	}
	found, err := u.read(ctx, name)
	return name, found, err
}

// List ranges over all users and aliases, in no order. An error ends it.
func (u *Users) List(ctx context.Context) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		stop := errors.New("stop")
		err := cql.Each(ctx, u.db, cql.LocalQuorum, selectUsers, func(r cql.Row) error {
			var name string
			found, err := scanRow(r, &name)
			if err != nil {
				return err
			}
			user, ok := found.user(name)
			if ok && name != decoyName && !yield(user, nil) {
				return stop
			}
			return nil
		}, int64(math.MinInt64))
		if err != nil && err != stop {
			yield(User{}, fmt.Errorf("users: list: %w", err))
		}
	}
}

// user is what a row says of a name, if it is a user or an alias.
func (r row) user(name string) (User, bool) {
	user := User{Name: name, Disabled: r.state.value == disabled}
	switch {
	case r.secret.value != "":
		s, err := secret.Parse(r.secret.value)
		if err != nil {
			user.Forms = "(not readable)"
		} else {
			user.Forms = s.String()
		}
	case r.alias.value != "":
		user.AliasOf, user.Disabled = r.alias.value, false
	default:
		return User{}, false
	}
	return user, true
}

// Lookup implements mailbox.Directory: the user of that name, or of which the
// name is an alias.
func (u *Users) Lookup(ctx context.Context, address string) (string, error) {
	name, found, err := u.canonical(ctx, address)
	switch {
	case err != nil:
		return "", err
	case found.secret.value != "":
		return name, nil
	case found.alias.value != "":
		return found.alias.value, nil
	}
	return "", fmt.Errorf("%q: %w", address, mailbox.ErrNoSuchUser)
}

// Offers implements pop3.Selective.
func (u *Users) Offers(mechanism string) bool {
	hash, is := strings.CutPrefix(mechanism, "SCRAM-")
	if !is {
		return true
	}
	for _, h := range u.scram {
		if h.String() == hash {
			return true
		}
	}
	return false
}

// Authenticate implements pop3.Authenticator. It takes equally long for every
// user and for none.
func (u *Users) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	name, s, unknown, err := u.find(ctx, login)
	if err != nil {
		return "", err
	}
	if fits := u.work.Fits(s, login.Password); !fits || unknown != nil {
		return "", cmp.Or(unknown, error(mailbox.ErrAuthFailed))
	}
	return name, nil
}

// SCRAMSecret implements pop3.SCRAMSecrets.
func (u *Users) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (keys secret.SCRAM, name string, err error) {
	name, s, unknown, err := u.find(ctx, login)
	if err != nil {
		return keys, "", err
	}
	nobody := login.User
	if _, canonical, err := u.session.Mailbox(nobody); err == nil {
		nobody = canonical // the same for all names that would be one user's
	}
	madeUp := u.decoy.MadeUp(nobody, hash, []secret.SCRAM{u.keys}) // for each user, so that it takes as long
	keys, has := s.SCRAM(hash)
	if !has {
		keys = madeUp
	}
	if !has || unknown != nil {
		return keys, "", mailbox.ErrAuthFailed
	}
	return keys, name, nil
}

// find returns the user of a login and its secret. unknown says why the login
// must fail whatever the client proves; the secret is then that of somebody all
// the same, or the zero Secret. It reads as many rows for every name, so that the
// time does not show what a name is.
func (u *Users) find(ctx context.Context, login mailbox.Login) (name string, s secret.Secret, unknown, err error) {
	_, name, err = u.session.Mailbox(login.User)
	if err != nil {
		unknown, name = err, "nobody"
	}
	found, err := u.read(ctx, name)
	if err != nil {
		return "", s, nil, err
	}
	if found.secret.value == "" && found.alias.value != "" {
		name = found.alias.value
	}
	if found, err = u.read(ctx, name); err != nil {
		return "", s, nil, err
	}
	actsAs := name
	if id := login.AuthorizationID; id != "" {
		actsAs, err = u.Lookup(ctx, id)
		if err != nil && !errors.Is(err, mailbox.ErrNoSuchUser) {
			return "", s, nil, err
		}
	}
	if unknown != nil || found.secret.value == "" {
		return "", s, fmt.Errorf("%.100q: no such user: %w", login.User, mailbox.ErrAuthFailed), nil
	}
	if s, err = secret.Parse(found.secret.value); err != nil {
		return "", s, nil, fmt.Errorf("users: the secret of %s: %w", name, err)
	}
	switch {
	case found.state.value == disabled:
		unknown = fmt.Errorf("%s is disabled: %w", name, mailbox.ErrAuthFailed)
	case actsAs != name:
		unknown = fmt.Errorf("%s may not act for %.100q: %w", name, login.AuthorizationID, mailbox.ErrAuthFailed)
	}
	return name, s, unknown, nil
}

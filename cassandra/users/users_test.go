package users_test

import (
	"crypto"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/users"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

var (
	_ mailbox.Directory = (*users.Users)(nil)
	_ pop3.SCRAMSecrets = (*users.Users)(nil)
	_ pop3.Selective    = (*users.Users)(nil)
)

// newUsers returns the users of a new keyspace.
func newUsers(t *testing.T, options users.Options) (*users.Users, cassandra.Config) {
	t.Helper()
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	session := storetest.Connect(t, config)
	_, err := users.New(t.Context(), session, options)
	require.ErrorContains(t, err, "users.Migrate makes the table")
	require.NoError(t, users.Migrate(t.Context(), session))
	require.NoError(t, users.Migrate(t.Context(), session), "twice")
	return open(t, config, options), config
}

func open(t *testing.T, config cassandra.Config, options users.Options) *users.Users {
	t.Helper()
	u, err := users.New(t.Context(), storetest.Connect(t, config), options)
	require.NoError(t, err)
	return u
}

func scram(t *testing.T, password string, hashes ...crypto.Hash) secret.Secret {
	t.Helper()
	var keys []secret.SCRAM
	for _, hash := range append([]crypto.Hash{crypto.SHA256}, hashes...) {
		k, err := secret.NewSCRAM(hash, password, 0)
		require.NoError(t, err)
		keys = append(keys, k)
	}
	return secret.Keys(keys...)
}

// login reports whether a login by a password succeeds, and that one by SCRAM
// agrees.
func login(t *testing.T, u *users.Users, name, password string) bool {
	t.Helper()
	user, err := u.Authenticate(t.Context(), mailbox.Login{User: name, Password: password})
	keys, byKeys, errKeys := u.SCRAMSecret(t.Context(), mailbox.Login{User: name}, crypto.SHA256)
	if err != nil {
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		require.False(t, errKeys == nil && keys.Fits(password))
		return false
	}
	require.NoError(t, errKeys)
	require.True(t, keys.Fits(password))
	require.Equal(t, user, byKeys)
	return true
}

func everywhere(t *testing.T) func(bool, error) {
	return func(everywhere bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, everywhere)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	u, config := newUsers(t, users.Options{})
	done := everywhere(t)
	require.False(t, login(t, u, "alice", "a"))
	done(u.Set(t.Context(), "Alice@Example.org", scram(t, "a")))
	require.True(t, login(t, u, "alice@example.org", "a"))
	require.True(t, login(t, u, "ALICE@example.org", "a"))
	for _, wrong := range [][2]string{{"alice@example.org", "b"}, {"alice@example.org", ""}, {"alice", "a"}, {"nobody", "a"}, {"", "a"}, {"\x00decoy", "a"}, {"\xff", "a"}} {
		require.False(t, login(t, u, wrong[0], wrong[1]), "%q", wrong)
	}
	done(u.Set(t.Context(), "alice@example.org", scram(t, "b")))
	require.False(t, login(t, u, "alice@example.org", "a"))
	require.True(t, login(t, u, "alice@example.org", "b"))

	// Disabled: no login, whatever is set, and mail.
	before, _, err := u.SCRAMSecret(t.Context(), mailbox.Login{User: "alice@example.org"}, crypto.SHA256)
	require.NoError(t, err)
	done(u.Disable(t.Context(), "alice@example.org"))
	require.False(t, login(t, u, "alice@example.org", "b"))
	after, _, err := u.SCRAMSecret(t.Context(), mailbox.Login{User: "alice@example.org"}, crypto.SHA256)
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	require.Equal(t, before, after, "the challenge does not show it")
	done(u.Set(t.Context(), "alice@example.org", scram(t, "c")))
	require.False(t, login(t, u, "alice@example.org", "c"))
	name, err := u.Lookup(t.Context(), "alice@example.org")
	require.NoError(t, err)
	require.Equal(t, "alice@example.org", name)
	done(u.Enable(t.Context(), "alice@example.org"))
	require.True(t, login(t, u, "alice@example.org", "c"))

	// Aliases: mail and logins.
	done(u.SetAlias(t.Context(), "Sales@example.org", "alice@example.org"))
	name, err = u.Lookup(t.Context(), "sales@example.org")
	require.NoError(t, err)
	require.Equal(t, "alice@example.org", name)
	require.True(t, login(t, u, "sales@example.org", "c"))
	user, err := u.Authenticate(t.Context(), mailbox.Login{User: "alice@example.org", Password: "c", AuthorizationID: "sales@example.org"})
	require.NoError(t, err)
	require.Equal(t, "alice@example.org", user)
	done(u.Set(t.Context(), "bob", scram(t, "bob's", crypto.SHA1)))
	_, err = u.Authenticate(t.Context(), mailbox.Login{User: "alice@example.org", Password: "c", AuthorizationID: "bob"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	done(u.SetAlias(t.Context(), "sales@example.org", "bob"))
	require.True(t, login(t, u, "sales@example.org", "bob's"))
	done(u.SetAlias(t.Context(), "info", "bob"))
	done(u.SetAlias(t.Context(), "info", ""))
	_, err = u.Lookup(t.Context(), "info")
	require.ErrorIs(t, err, mailbox.ErrNoSuchUser)
	done(u.Set(t.Context(), "info", scram(t, "i")))
	done(u.Disable(t.Context(), "info"))

	for _, test := range []struct {
		change func() (bool, error)
		want   error
	}{
		{func() (bool, error) { return u.SetAlias(t.Context(), "bob", "alice@example.org") }, users.ErrExists},
		{func() (bool, error) { return u.SetAlias(t.Context(), "bob", "") }, nil},
		{func() (bool, error) { return u.Set(t.Context(), "sales@example.org", scram(t, "x")) }, users.ErrExists},
		{func() (bool, error) { return u.SetAlias(t.Context(), "x", "nobody") }, mailbox.ErrNoSuchUser},
		{func() (bool, error) { return u.SetAlias(t.Context(), "x", "sales@example.org") }, mailbox.ErrNoSuchUser},
		{func() (bool, error) { return u.Disable(t.Context(), "nobody") }, mailbox.ErrNoSuchUser},
		{func() (bool, error) { return u.Enable(t.Context(), "sales@example.org") }, mailbox.ErrNoSuchUser},
		{func() (bool, error) { return u.Set(t.Context(), "a\x01b", scram(t, "x")) }, mailbox.ErrNoSuchUser},
	} {
		_, err := test.change()
		require.ErrorIs(t, err, test.want)
	}

	want := []users.User{
		{Name: "alice@example.org", Forms: "{SCRAM-SHA-256}"},
		{Name: "bob", Forms: "{SCRAM-SHA-256} {SCRAM-SHA-1}"},
		{Name: "info", Forms: "{SCRAM-SHA-256}", Disabled: true},
		{Name: "sales@example.org", AliasOf: "bob"},
	}
	require.Equal(t, want, list(t, u))
	require.Equal(t, want, list(t, open(t, config, users.Options{})))
}

// list returns all users and aliases, in the order of their names.
func list(t *testing.T, u *users.Users) []users.User {
	t.Helper()
	found := make(map[string]users.User)
	for user, err := range u.List(t.Context()) {
		require.NoError(t, err)
		found[user.Name] = user
	}
	var all []users.User
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[name])
	}
	return all
}

// What clients may use follows from the hashes for which every user has keys.
func TestSecretsOfUsers(t *testing.T) {
	t.Parallel()
	both, config := newUsers(t, users.Options{SCRAM: []crypto.Hash{crypto.SHA256, crypto.SHA1}})
	hash, err := secret.Bcrypt("h", bcrypt.MinCost)
	require.NoError(t, err)
	plain, err := secret.Plain("p")
	require.NoError(t, err)
	for _, s := range []secret.Secret{hash, plain, scram(t, "s")} {
		_, err := both.Set(t.Context(), "x", s)
		require.ErrorContains(t, err, "has no keys of SCRAM-SHA-")
	}
	dear, err := secret.NewSCRAM(crypto.SHA256, "d", 5000)
	require.NoError(t, err)
	short, err := secret.NewSCRAM(crypto.SHA256, "d", 0)
	require.NoError(t, err)
	short.Salt = short.Salt[:12]
	for _, keys := range []secret.SCRAM{dear, short} {
		_, err = open(t, config, users.Options{}).Set(t.Context(), "x", secret.Keys(keys))
		require.ErrorContains(t, err, "see Options.Iterations")
	}
	everywhere(t)(open(t, config, users.Options{Iterations: 5000}).Set(t.Context(), "x", secret.Keys(dear)))
	any := open(t, config, users.Options{SCRAM: []crypto.Hash{}})
	everywhere(t)(any.Set(t.Context(), "hashed", hash))
	everywhere(t)(any.Set(t.Context(), "plain", plain))
	for _, none := range []secret.Secret{{}, secret.Keys(secret.SCRAM{}), secret.Keys(dear, dear)} {
		_, err = any.Set(t.Context(), "hashed", none)
		require.ErrorContains(t, err, "users: hashed: ")
	}
	_, err = any.Authenticate(t.Context(), mailbox.Login{User: "hashed", Password: "h"})
	require.NoError(t, err, "and not a user who was removed")
	for u, want := range map[*users.Users]string{
		both: "USER PLAIN SCRAM-SHA-256 SCRAM-SHA-1", any: "USER PLAIN", open(t, config, users.Options{}): "USER PLAIN SCRAM-SHA-256",
	} {
		var offered []string
		for _, mechanism := range []string{"USER", "APOP", "PLAIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER"} {
			if pop3.Offers(u, mechanism) {
				offered = append(offered, mechanism)
			}
		}
		require.Equal(t, want, strings.Join(offered, " "))
	}
}

// Every host shows the same of users that do not exist.
func TestHostsMakeUpTheSame(t *testing.T) {
	t.Parallel()
	one, config := newUsers(t, users.Options{})
	two := open(t, config, users.Options{})
	seen := make(map[string]bool)
	for i := range 20 {
		login := mailbox.Login{User: fmt.Sprint("nobody", i)}
		a, _, err := one.SCRAMSecret(t.Context(), login, crypto.SHA256)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		b, _, err := two.SCRAMSecret(t.Context(), login, crypto.SHA256)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		require.Equal(t, a.Salt, b.Salt)
		require.Equal(t, a.Iterations, b.Iterations)
		seen[string(a.Salt)] = true
	}
	require.Len(t, seen, 20)
}

// Names that would be one user's have the same challenge if there is no such user,
// as they have if there is.
func TestNamesOfNobodyAreThoseOfOneUser(t *testing.T) {
	t.Parallel()
	config := storetest.MigrateWith(t, cassandratest.Start(t, cassandratest.Topology{}), func(c *cassandra.Config) {
		c.CanonicalName = "without tags"
		c.Canonical = func(user string) (string, error) {
			user, _, _ = strings.Cut(user, "+")
			return mailbox.CanonicalUser(user)
		}
	})
	require.NoError(t, users.Migrate(t.Context(), storetest.Connect(t, config)))
	u := open(t, config, users.Options{})
	everywhere(t)(u.Set(t.Context(), "alice", scram(t, "a")))
	salt := func(name string) string {
		keys, _, _ := u.SCRAMSecret(t.Context(), mailbox.Login{User: name}, crypto.SHA256)
		return string(keys.Salt)
	}
	for _, name := range []string{"alice", "nobody"} {
		require.Equal(t, salt(name), salt(name+"+tag"), name)
	}
	require.NotEqual(t, salt("alice"), salt("nobody"))
	require.NotEqual(t, salt("\xff"), salt("\xfe"))
}

// The change that comes later wins, whichever clock its host has: one that
// follows what it has read.
func TestLaterChangesWinWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	right, config := newUsers(t, users.Options{})
	config.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	slow := open(t, config, users.Options{})
	for i := range 5 {
		everywhere(t)(right.Set(t.Context(), "alice", scram(t, fmt.Sprint("right", i))))
		everywhere(t)(slow.Set(t.Context(), "alice", scram(t, fmt.Sprint("slow", i))))
		require.True(t, login(t, right, "alice", fmt.Sprint("slow", i)))
		everywhere(t)(right.Disable(t.Context(), "alice"))
		everywhere(t)(slow.Enable(t.Context(), "alice"))
		require.True(t, login(t, right, "alice", fmt.Sprint("slow", i)))
	}
}

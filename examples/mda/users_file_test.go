package main

import (
	"crypto/md5"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// openTestUsers opens a users file, and returns what changes it. The time of the
// bubble goes on with each change, so that the next use of the users sees it.
func openTestUsers(t *testing.T, text string) (users usersFile, change func(text string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	users, err := openUsers(slog.New(slog.DiscardHandler), file)
	require.NoError(t, err)
	return users, func(text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		time.Sleep(lookEvery)
	}
}

// Users come, go and change their passwords while the program runs.
func TestUsersChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users, change := openTestUsers(t, "alice:first\n")
		login := func(user, password string) error {
			_, err := users.Authenticate(t.Context(), mailbox.Login{User: user, Password: password})
			return err
		}
		require.NoError(t, login("alice", "first"))

		change("alice:second\nbob:b\n")
		require.NoError(t, login("alice", "second"))
		require.ErrorIs(t, login("alice", "first"), mailbox.ErrAuthFailed)
		user, err := users.Lookup(t.Context(), "bob@example.org")
		require.NoError(t, err)
		require.Equal(t, "bob", user)

		change("alice:second\nbob\n")
		require.NoError(t, login("bob", "b"), "the file is wrong: what it said before stays")

		change("alice:second\n")
		require.NoError(t, login("alice", "second"))
		require.ErrorIs(t, login("bob", "b"), mailbox.ErrAuthFailed)
		_, err = users.Lookup(t.Context(), "bob@example.org")
		require.ErrorIs(t, err, mailbox.ErrNoSuchUser)
	})
}

// APOP needs every secret in the clear.
func TestAPOPIsForPlainSecretsOnly(t *testing.T) {
	synctest.Test(t, testAPOP)
}

func testAPOP(t *testing.T) {
	users, change := openTestUsers(t, "alice:tanstaaf")
	secrets, ok := users.authenticator().(pop3.SharedSecrets)
	require.True(t, ok)

	// The example of RFC 1939 section 7.
	shared, user, err := secrets.SharedSecret(t.Context(), mailbox.Login{User: "Alice"})
	require.NoError(t, err)
	require.Equal(t, "alice", user)
	sum := md5.Sum([]byte("<1896.697170952@dbc.mtview.ca.us>" + shared))
	require.Equal(t, "c4c9334bac560ecc979e58001b3e22fb", hex.EncodeToString(sum[:]))

	_, user, err = secrets.SharedSecret(t.Context(), mailbox.Login{User: "alice@localhost"})
	require.NoError(t, err)
	require.Equal(t, "alice", user)

	_, _, err = secrets.SharedSecret(t.Context(), mailbox.Login{User: "nobody"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)

	// A hash in the file switches APOP off: for connections to come, and for
	// its user on those that were told of APOP.
	change("alice:a\nbob:{BCRYPT}" + hash(t, "b", bcrypt.MinCost))
	_, ok = users.authenticator().(pop3.SharedSecrets)
	require.False(t, ok)
	_, _, err = secrets.SharedSecret(t.Context(), mailbox.Login{User: "bob"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	shared, _, err = secrets.SharedSecret(t.Context(), mailbox.Login{User: "alice"})
	require.NoError(t, err)
	require.Equal(t, "a", shared)

	change("alice:a\nbob:b")
	_, ok = users.authenticator().(pop3.SharedSecrets)
	require.True(t, ok)
}

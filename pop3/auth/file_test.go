package auth

import (
	"crypto"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// openTestUsers opens a users file, and returns what changes it. The time of the
// bubble goes on with each change, so that the next use of the users sees it.
func openTestUsers(t *testing.T, text string) (users File, change func(text string)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	users, err := OpenFile(slog.New(slog.DiscardHandler), file)
	require.NoError(t, err)
	return users, func(text string) {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		time.Sleep(2 * time.Second)
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

// What clients may use follows from the secrets that the file has now.
func TestMechanismsFollowFromTheSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := func(hash crypto.Hash) string {
			k, err := secret.NewSCRAM(hash, "k", 0)
			require.NoError(t, err)
			return secret.Keys(k).Encode()
		}
		users, change := openTestUsers(t, "alice:tanstaaf")
		for _, test := range []struct{ file, offered string }{
			{"alice:a\nbob:b", "USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1"},
			{"alice:a\nbob:" + hash(t, "b", bcrypt.MinCost), "USER PLAIN LOGIN"},
			{"alice:a\nbob:" + keys(crypto.SHA256), "USER PLAIN LOGIN SCRAM-SHA-256"},
			{"alice:a\nbob:" + keys(crypto.SHA1), "USER PLAIN LOGIN SCRAM-SHA-1"},
			{"alice:" + keys(crypto.SHA256) + " " + keys(crypto.SHA1), "USER PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1"},
			{"alice:" + keys(crypto.SHA256) + "\nbob:" + keys(crypto.SHA1), "USER PLAIN LOGIN"},
			{"alice:" + keys(crypto.SHA256) + "\nbob:" + hash(t, "b", bcrypt.MinCost), "USER PLAIN LOGIN"},
			{"alice:a", "USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1"},
		} {
			change(test.file)
			var offered []string
			for _, mechanism := range []string{"USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS"} {
				if pop3.Offers(users, mechanism) {
					offered = append(offered, mechanism)
				}
			}
			require.Equal(t, test.offered, strings.Join(offered, " "), test.file)
		}
	})
}

// A shared secret is that of a plain one, under any address of the user.
func TestSharedSecret(t *testing.T) {
	users, err := ParseUsers(strings.NewReader("alice:tanstaaf\nbob:" + hash(t, "b", bcrypt.MinCost)))
	require.NoError(t, err)

	// The example of RFC 1939 section 7.
	shared, user, err := users.SharedSecret(t.Context(), mailbox.Login{User: "Alice"})
	require.NoError(t, err)
	require.Equal(t, "alice", user)
	sum := md5.Sum([]byte("<1896.697170952@dbc.mtview.ca.us>" + shared))
	require.Equal(t, "c4c9334bac560ecc979e58001b3e22fb", hex.EncodeToString(sum[:]))

	_, user, err = users.SharedSecret(t.Context(), mailbox.Login{User: "alice@localhost", AuthorizationID: "alice"})
	require.NoError(t, err)
	require.Equal(t, "alice", user)
	for _, login := range []mailbox.Login{{User: "nobody"}, {User: "bob"}, {User: "alice", AuthorizationID: "bob"}} {
		_, _, err = users.SharedSecret(t.Context(), login)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	}
}

// The keys of a user without any, or of nobody, look like those of the others.
func TestSCRAMSecrets(t *testing.T) {
	dear, err := secret.NewSCRAM(crypto.SHA256, "d", 9000)
	require.NoError(t, err)
	dear.Salt = dear.Salt[:12]
	users, err := ParseUsers(strings.NewReader("alice:a\ndan:" + secret.Keys(dear).Encode() + "\nbob:" + hash(t, "b", bcrypt.MinCost)))
	require.NoError(t, err)
	keys, user, err := users.SCRAMSecret(t.Context(), mailbox.Login{User: "alice@localhost"}, crypto.SHA256)
	require.NoError(t, err)
	require.Equal(t, "alice", user)
	require.True(t, keys.Fits("a"))
	keys, _, err = users.SCRAMSecret(t.Context(), mailbox.Login{User: "dan"}, crypto.SHA256)
	require.NoError(t, err)
	require.Equal(t, dear, keys)

	seen := make(map[[2]int]int)
	for i := range 200 {
		name := fmt.Sprint("nobody", i)
		keys, _, err := users.SCRAMSecret(t.Context(), mailbox.Login{User: name}, crypto.SHA256)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		again, _, _ := users.SCRAMSecret(t.Context(), mailbox.Login{User: name}, crypto.SHA256)
		require.Equal(t, [2]any{keys.Salt, keys.Iterations}, [2]any{again.Salt, again.Iterations})
		require.False(t, keys.Fits("") || keys.Fits("a") || keys.Fits("d"))
		seen[[2]int{len(keys.Salt), keys.Iterations}]++
	}
	require.Len(t, seen, 2)
	require.Greater(t, seen[[2]int{16, 4096}], 50)
	require.Greater(t, seen[[2]int{12, 9000}], 50)
	for _, login := range []mailbox.Login{{User: "bob"}, {User: "alice", AuthorizationID: "bob"}} {
		_, _, err = users.SCRAMSecret(t.Context(), login, crypto.SHA256)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	}
}

// All addresses of a user have the same keys, and so have those of nobody; what
// is made up is the same in every process that has the file.
func TestNobodyHasAddressesToo(t *testing.T) {
	k, err := secret.NewSCRAM(crypto.SHA256, "k", 0)
	require.NoError(t, err)
	k.Salt = k.Salt[:12] // so that it shows whose keys those of nobody are like
	const text = "bob:%s\nalice:a\ncarol@example.org:c"
	salt := func(user string) string {
		users, err := ParseUsers(strings.NewReader(fmt.Sprintf(text, secret.Keys(k).Encode())))
		require.NoError(t, err)
		keys, _, _ := users.SCRAMSecret(t.Context(), mailbox.Login{User: user}, crypto.SHA256)
		return string(keys.Salt)
	}
	for _, user := range []string{"bob", "alice", "nobody"} {
		for _, domain := range []string{"@x.invalid", "@Y.invalid"} {
			require.Equal(t, salt(user), salt(user+domain), user+domain)
		}
	}
	for range 50 {
		require.Equal(t, salt("nobody"), salt("nobody"), "each time from the file")
	}
	require.NotEqual(t, salt("nobody"), salt("nobody2"))
	require.NotEqual(t, salt("carol@example.org"), salt("carol@x.invalid"))
}

// A name and an address with it have the same keys if that is a user's name, and
// else if chance has it, unless all users are alike: so whether they have the same
// shows nobody who exists.
func TestAddressesOfNobodyAreLikeThoseOfUsers(t *testing.T) {
	k, err := secret.NewSCRAM(crypto.SHA256, "k", 0)
	require.NoError(t, err)
	for _, test := range []struct {
		users string
		same  func(names int) bool // of 200
	}{
		{"bob alice@example.org carol@example.com", func(names int) bool { return names > 50 && names < 190 }},
		{"alice@example.org carol@example.com", func(names int) bool { return names == 0 }},
		{"bob alice", func(names int) bool { return names == 200 }},
	} {
		var file strings.Builder
		for user := range strings.FieldsSeq(test.users) {
			fmt.Fprintln(&file, user+":"+secret.Keys(k).Encode())
		}
		users, err := ParseUsers(strings.NewReader(file.String()))
		require.NoError(t, err)
		salt := func(user string) string {
			keys, _, _ := users.SCRAMSecret(t.Context(), mailbox.Login{User: user}, crypto.SHA256)
			return string(keys.Salt)
		}
		inOne, inAll := 0, 0
		for i := range 200 {
			name := fmt.Sprint("nobody", i)
			one, other := salt(name) == salt(name+"@example.org"), salt(name) == salt(name+"@example.com")
			if one {
				inOne++
			}
			if one && other {
				inAll++
			}
			require.Equal(t, salt(name), salt(name+"@x.invalid"))
		}
		require.True(t, test.same(inOne), "%s: %d", test.users, inOne)
		require.True(t, test.same(inAll), "%s: %d", test.users, inAll)
	}
}

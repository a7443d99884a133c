package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

func hash(t *testing.T, plain string, cost int) string {
	h, err := bcrypt.GenerateFromPassword([]byte(plain), cost)
	require.NoError(t, err)
	return string(h)
}

func TestUsersFile(t *testing.T) {
	bobs := hash(t, "b", bcrypt.MinCost)
	u, err := parseUsers(strings.NewReader("\ufeff# who may read\r\n" +
		"\r\n" +
		"   # indented comment\n" +
		"Alice@Example.ORG:correct horse: battery staple \r\n" +
		"  bob :{BCRYPT}" + bobs + "\n" +
		"carol:{PLAIN}{looks like}a scheme\n" +
		"dan:{not a scheme}x\n" +
		"e:{bcrypt}" + strings.Replace(bobs, "$2a$", "$2y$", 1) + " \n" +
		"ZOE\u0308:last line without an end"))
	require.NoError(t, err)
	require.Equal(t, map[string]secret{
		"alice@example.org": {line: 4, plain: "correct horse: battery staple "},
		"bob":               {line: 5, bcrypt: []byte(bobs)},
		"carol":             {line: 6, plain: "{looks like}a scheme"},
		"dan":               {line: 7, plain: "{not a scheme}x"},
		"e":                 {line: 8, bcrypt: []byte(strings.Replace(bobs, "$2a$", "$2y$", 1))},
		"zo\u00eb":          {line: 9, plain: "last line without an end"},
	}, u.secrets)
}

func TestUsersFileErrors(t *testing.T) {
	for _, test := range []struct{ name, file, message string }{
		{"empty", "", "no users in it"},
		{"comments alone", "# a:b\n\n", "no users in it"},
		{"no colon", "a:b\nhunter2\n", "line 2: not of the form name:secret"},
		{"no name", ":hunter2\n", "line 1: the name before the colon: no such user: the name is empty"},
		{"control in the name", "a\x01b:hunter2\n", "line 1: the name before the colon: no such user: the name has control characters"},
		{"no secret", "a:\n", "line 1: a: the secret is empty"},
		{"no secret after the scheme", "a:{PLAIN}\n", "line 1: a: the secret is empty"},
		{"twice", "A:b\n\na:hunter2\n", "line 3: a is on line 1 already"},
		{"unknown scheme", "a:b\nc:{SCRAM-SHA-256}hunter2\n", "line 2: c: unknown scheme {SCRAM-SHA-256}: there are {BCRYPT} and {PLAIN}"},
		{"no hash", "a:{BCRYPT}hunter2\n", "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"half a hash", "a:{BCRYPT}$2y$10$" + strings.Repeat("x", 52), "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"more than a hash", "a:{BCRYPT}$2y$10$" + strings.Repeat("x", 53) + ":hunter2", "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"cost", "a:{BCRYPT}$2y$03$" + strings.Repeat("x", 53), "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"a line without an end", "a:" + strings.Repeat("x", 70_000), "bufio.Scanner: token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := parseUsers(strings.NewReader(test.file))
			require.EqualError(t, err, test.message)
			require.NotContains(t, err.Error(), "hunter2", "a secret")
		})
	}
}

func TestLoadUsers(t *testing.T) {
	u, err := loadUsers("")
	require.NoError(t, err)
	require.Equal(t, map[string]secret{"demo": {line: 1, plain: "demo"}}, u.secrets)

	missing := filepath.Join(t.TempDir(), "users")
	_, err = loadUsers(missing)
	require.EqualError(t, err, "-users: open "+missing+": no such file or directory")

	require.NoError(t, os.WriteFile(missing, []byte("x"), 0o600))
	_, err = loadUsers(missing)
	require.EqualError(t, err, "-users "+missing+": line 1: not of the form name:secret")
}

func TestAuthenticate(t *testing.T) {
	u, err := parseUsers(strings.NewReader("alice:a\nbob:{BCRYPT}" + hash(t, "b", bcrypt.MinCost)))
	require.NoError(t, err)
	for _, test := range []struct {
		user, password, authorization string
		want                          string // "" is ErrAuthFailed
	}{
		{"alice", "a", "", "alice"},
		{"ALICE", "a", "", "alice"},
		{"alice", "a", "Alice", "alice"},
		{"alice", "a", "bob", ""},
		{"alice", "A", "", ""},
		{"alice", "", "", ""},
		{"bob", "b", "", "bob"},
		{"bob", "b", "alice", ""},
		{"bob", "a", "", ""},
		{"nobody", "a", "", ""},
		{"nobody", "", "", ""},
		{"", "", "", ""},
		{"\xff", "a", "", ""},
	} {
		t.Run(fmt.Sprintf("%q for %q with %q", test.user, test.authorization, test.password), func(t *testing.T) {
			user, err := u.Authenticate(t.Context(), mailbox.Login{
				User: test.user, Password: test.password, AuthorizationID: test.authorization,
			})
			require.Equal(t, test.want, user)
			if test.want == "" {
				require.ErrorIs(t, err, mailbox.ErrAuthFailed)
				return
			}
			require.NoError(t, err)
		})
	}
}

// A login of an unknown user takes as long as the costliest hash of a known
// one.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	cheap, dear := hash(t, "b", bcrypt.MinCost), hash(t, "b", bcrypt.MinCost+1)
	u, err := parseUsers(strings.NewReader("a:{BCRYPT}" + cheap + "\nb:{BCRYPT}" + dear + "\nc:{BCRYPT}" + cheap + "\nd:plain"))
	require.NoError(t, err)
	require.Equal(t, dear, string(u.dummy))
}

// APOP needs every secret in the clear.
func TestAPOPIsForPlainSecretsOnly(t *testing.T) {
	plain, err := parseUsers(strings.NewReader("alice:tanstaaf"))
	require.NoError(t, err)
	secrets, ok := plain.authenticator().(pop3.SharedSecrets)
	require.True(t, ok)

	// The example of RFC 1939 section 7.
	shared, user, err := secrets.SharedSecret(t.Context(), mailbox.Login{User: "Alice"})
	require.NoError(t, err)
	require.Equal(t, "alice", user)
	sum := md5.Sum([]byte("<1896.697170952@dbc.mtview.ca.us>" + shared))
	require.Equal(t, "c4c9334bac560ecc979e58001b3e22fb", hex.EncodeToString(sum[:]))

	_, _, err = secrets.SharedSecret(t.Context(), mailbox.Login{User: "nobody"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)

	mixed, err := parseUsers(strings.NewReader("alice:a\nbob:{BCRYPT}" + hash(t, "b", bcrypt.MinCost)))
	require.NoError(t, err)
	_, ok = mixed.authenticator().(pop3.SharedSecrets)
	require.False(t, ok)
}

func TestDirectory(t *testing.T) {
	u, err := parseUsers(strings.NewReader("alice:a\nbob@example.org:b\nat@home@example.org:c\n"))
	require.NoError(t, err)
	for address, want := range map[string]string{
		"alice":                 "alice",
		"Alice@Example.org":     "alice",
		"alice@any.example":     "alice",
		"bob@example.org":       "bob@example.org",
		"BOB@EXAMPLE.ORG":       "bob@example.org",
		"bob@example.com":       "",
		"bob":                   "",
		"at@home@example.org":   "at@home@example.org",
		"alice@x@example.org":   "",
		"alice+tag@example.org": "",
		"@example.org":          "",
		"@":                     "",
		"":                      "",
		"nobody@example.org":    "",
		"a\x00lice@example.org": "",
	} {
		t.Run(fmt.Sprintf("%q", address), func(t *testing.T) {
			user, err := u.Lookup(t.Context(), address)
			require.Equal(t, want, user)
			if want == "" {
				require.ErrorIs(t, err, mailbox.ErrNoSuchUser)
				return
			}
			require.NoError(t, err)
		})
	}
}

package auth

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

func hash(t *testing.T, plain string, cost int) string {
	h, err := bcrypt.GenerateFromPassword([]byte(plain), cost)
	require.NoError(t, err)
	return string(h)
}

func TestUsersFile(t *testing.T) {
	bobs := hash(t, "b", bcrypt.MinCost)
	u, err := ParseUsers(strings.NewReader("\ufeff# who may read\r\n" +
		"\r\n" +
		"   # indented comment\n" +
		"Alice@Example.ORG:correct horse: battery staple \r\n" +
		"  bob :{BCRYPT}" + bobs + "\n" +
		"carol:{PLAIN}{looks like}a scheme\n" +
		"dan:{not a scheme}x\n" +
		"e:{bcrypt}" + strings.Replace(bobs, "$2a$", "$2y$", 1) + " \n" +
		"f:" + strings.Replace(bobs, "$2a$", "$2y$", 1) + "\n" + // as htpasswd writes it
		"g:" + strings.Replace(bobs, "$2a$", "$2b$", 1) + "\t\n" +
		"h: " + bobs + "\n" +
		"i:{BLF-CRYPT}" + bobs + "\n" + // as Dovecot writes it
		"j: {Bcrypt} " + bobs + "\n" +
		"k:{PLAIN}" + bobs + "\n" +
		"l:$1\n" +
		"ZOE\u0308:last line without an end"))
	require.NoError(t, err)
	y := strings.Replace(bobs, "$2a$", "$2y$", 1)
	want := map[string]user{
		"alice@example.org": {parsed(t, "{PLAIN}correct horse: battery staple "), 4},
		"bob":               {parsed(t, bobs), 5},
		"carol":             {parsed(t, "{PLAIN}{looks like}a scheme"), 6},
		"dan":               {parsed(t, "{PLAIN}{not a scheme}x"), 7},
		"e":                 {parsed(t, y), 8},
		"f":                 {parsed(t, y), 9},
		"g":                 {parsed(t, strings.Replace(bobs, "$2a$", "$2b$", 1)), 10},
		"h":                 {parsed(t, bobs), 11},
		"i":                 {parsed(t, bobs), 12},
		"j":                 {parsed(t, bobs), 13},
		"k":                 {parsed(t, "{PLAIN}"+bobs), 14},
		"l":                 {parsed(t, "{PLAIN}$1"), 15},
		"zo\u00eb":          {parsed(t, "{PLAIN}last line without an end"), 16},
	}
	require.Equal(t, want, u.users)
}

func parsed(t *testing.T, text string) secret.Secret {
	t.Helper()
	s, err := secret.Parse(text)
	require.NoError(t, err)
	return s
}

func TestUsersFileErrors(t *testing.T) {
	const noHash = "it begins like a hash, and is no bcrypt hash: if it is a password, write {PLAIN} in front of it"
	for _, test := range []struct{ name, file, message string }{
		{"empty", "", "no users in it"},
		{"comments alone", "# a:b\n\n", "no users in it"},
		{"no colon", "a:b\nhunter2\n", "line 2: not of the form name:secret"},
		{"no name", ":hunter2\n", "line 1: the name before the colon: no such user: the name is empty"},
		{"control in the name", "a\x01b:hunter2\n", "line 1: the name before the colon: no such user: the name has control characters"},
		{"no secret", "a:\n", "line 1: a: the secret is empty"},
		{"no secret after the scheme", "a:{PLAIN}\n", "line 1: a: the secret is empty"},
		{"twice", "A:b\n\na:hunter2\n", "line 3: a is on line 1 already"},
		{"unknown scheme", "a:b\nc:{SSHA}hunter2\n", "line 2: c: unknown scheme {SSHA}: there are {SCRAM-SHA-256}, {SCRAM-SHA-1}, {BCRYPT}, {BLF-CRYPT} and {PLAIN}; if it is a password, write {PLAIN} in front of it"},
		{"a password like a scheme", "a:b\nc:{hunter2}\n", "line 2: c: unknown scheme: there are {SCRAM-SHA-256}, {SCRAM-SHA-1}, {BCRYPT}, {BLF-CRYPT} and {PLAIN}; if it is a password, write {PLAIN} in front of it"},
		{"no keys", "a:b\nc:{SCRAM-SHA-256}hunter2\n", "line 2: c: not of the form {SCRAM-SHA-256}ITERATIONS,SALT,STORED,SERVER"},
		{"unknown scheme after a space", "c: {SHA}hunter2\n", "line 1: c: unknown scheme {SHA}: there are {SCRAM-SHA-256}, {SCRAM-SHA-1}, {BCRYPT}, {BLF-CRYPT} and {PLAIN}; if it is a password, write {PLAIN} in front of it"},
		{"no hash", "a:{BCRYPT}hunter2\n", "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"half a hash", "a:{BCRYPT}$2y$10$" + strings.Repeat("x", 52), "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"more than a hash", "a:{BCRYPT}$2y$10$" + strings.Repeat("x", 53) + ":hunter2", "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"cost", "a:{BCRYPT}$2y$03$" + strings.Repeat("x", 53), "line 1: a: what follows {BCRYPT} is no bcrypt hash"},
		{"no hash of Dovecot's", "a:{BLF-CRYPT}hunter2\n", "line 1: a: what follows {BLF-CRYPT} is no bcrypt hash"},
		{"half a hash without a scheme", "a:$2y$10$hunter2", "line 1: a: " + noHash},
		{"more than a hash without a scheme", "a:$2y$10$" + strings.Repeat("x", 53) + ":1000:1000::/home/a", "line 1: a: " + noHash},
		{"SHA-512 crypt", "a:$6$hunter2$" + strings.Repeat("x", 86), "line 1: a: " + noHash},
		{"MD5 of Apache", "a:$apr1$hunter2$x", "line 1: a: " + noHash},
		{"Argon2", "a: $argon2id$v=19$m=65536,t=3,p=4$hunter2", "line 1: a: " + noHash},
		{"yescrypt", "a:$y$j9T$hunter2", "line 1: a: " + noHash},
		{"bcrypt with the mistake of 2011", "a:$2x$10$" + strings.Repeat("x", 53), "line 1: a: " + noHash},
		{"a line without an end", "a:b\nc:" + strings.Repeat("x", 70_000), "line 2: bufio.Scanner: token too long"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseUsers(strings.NewReader(test.file))
			require.EqualError(t, err, test.message)
			require.NotContains(t, err.Error(), "hunter2", "a secret")
			require.NotContains(t, err.Error(), "HUNTER2", "a secret")
		})
	}
}

func TestOpenFileErrors(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "users")
	_, err := OpenFile(nil, missing)
	require.EqualError(t, err, "open "+missing+": no such file or directory")

	require.NoError(t, os.WriteFile(missing, []byte("x"), 0o600))
	_, err = OpenFile(nil, missing)
	require.EqualError(t, err, missing+": line 1: not of the form name:secret")
}

func TestDirectory(t *testing.T) {
	u, err := ParseUsers(strings.NewReader("alice:a\nbob@example.org:b\nat@home@example.org:c\n"))
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

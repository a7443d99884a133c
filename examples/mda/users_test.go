package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
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
		"f:" + strings.Replace(bobs, "$2a$", "$2y$", 1) + "\n" + // as htpasswd writes it
		"g:" + strings.Replace(bobs, "$2a$", "$2b$", 1) + "\t\n" +
		"h: " + bobs + "\n" +
		"i:{BLF-CRYPT}" + bobs + "\n" + // as Dovecot writes it
		"j: {Bcrypt} " + bobs + "\n" +
		"k:{PLAIN}" + bobs + "\n" +
		"l:$1\n" +
		"ZOE\u0308:last line without an end"))
	require.NoError(t, err)
	require.Equal(t, map[string]secret{
		"alice@example.org": {line: 4, plain: "correct horse: battery staple "},
		"bob":               {line: 5, bcrypt: []byte(bobs)},
		"carol":             {line: 6, plain: "{looks like}a scheme"},
		"dan":               {line: 7, plain: "{not a scheme}x"},
		"e":                 {line: 8, bcrypt: []byte(strings.Replace(bobs, "$2a$", "$2y$", 1))},
		"f":                 {line: 9, bcrypt: []byte(strings.Replace(bobs, "$2a$", "$2y$", 1))},
		"g":                 {line: 10, bcrypt: []byte(strings.Replace(bobs, "$2a$", "$2b$", 1))},
		"h":                 {line: 11, bcrypt: []byte(bobs)},
		"i":                 {line: 12, bcrypt: []byte(bobs)},
		"j":                 {line: 13, bcrypt: []byte(bobs)},
		"k":                 {line: 14, plain: bobs},
		"l":                 {line: 15, plain: "$1"},
		"zo\u00eb":          {line: 16, plain: "last line without an end"},
	}, u.secrets)
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
		{"unknown scheme", "a:b\nc:{SCRAM-SHA-256}hunter2\n", "line 2: c: unknown scheme {SCRAM-SHA-256}: there are {BCRYPT}, {BLF-CRYPT} and {PLAIN}; if it is a password, write {PLAIN} in front of it"},
		{"unknown scheme after a space", "c: {SHA}hunter2\n", "line 1: c: unknown scheme {SHA}: there are {BCRYPT}, {BLF-CRYPT} and {PLAIN}; if it is a password, write {PLAIN} in front of it"},
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

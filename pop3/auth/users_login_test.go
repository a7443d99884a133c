package auth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

func TestAuthenticate(t *testing.T) {
	u, err := ParseUsers(strings.NewReader("alice:a\ncarol@example.org:c\nbob:{BCRYPT}" + hash(t, "b", bcrypt.MinCost)))
	require.NoError(t, err)
	for _, test := range []struct {
		user, password, authorization string
		want                          string // "" is ErrAuthFailed
	}{
		{"alice", "a", "", "alice"},
		{"ALICE", "a", "", "alice"},
		{"alice", "a", "Alice", "alice"},
		{"alice", "a", "bob", ""},
		{"alice@localhost", "a", "", "alice"},
		{"Alice@Any.Example", "a", "alice", "alice"},
		{"alice", "a", "alice@localhost", "alice"},
		{"alice@localhost", "a", "bob@localhost", ""},
		{"alice@localhost", "b", "", ""},
		{"bob@localhost", "b", "", "bob"},
		{"bob@localhost", "bob@localhost", "", ""},
		{"carol@example.org", "c", "", "carol@example.org"},
		{"carol@example.org", "c", "carol@example.com", ""},
		{"carol@example.com", "c", "", ""},
		{"carol", "c", "", ""},
		{"@localhost", "a", "", ""},
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

// The hash of a users file is not its own password, whoever wrote it.
func TestHashesAreNoPasswords(t *testing.T) {
	bobs := hash(t, "b", bcrypt.MinCost)
	for _, kind := range []string{"$2a$", "$2b$", "$2y$"} {
		for _, before := range []string{"", " ", "{BCRYPT}", "{BLF-CRYPT}"} {
			text := strings.Replace(bobs, "$2a$", kind, 1)
			u, err := ParseUsers(strings.NewReader("bob:" + before + text))
			require.NoError(t, err)
			_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: before + text})
			require.ErrorIs(t, err, mailbox.ErrAuthFailed)
			_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: "b"})
			require.NoError(t, err)
		}
	}
}

// Every login does the work of one check, whoever it is for, and each check does
// the same: see package secret.
func TestAllLoginsDoTheSameWork(t *testing.T) {
	u, err := ParseUsers(strings.NewReader("plain:p\ncheap:{BCRYPT}" + hash(t, "p", bcrypt.MinCost)))
	require.NoError(t, err)
	var checks []string
	u.fits = func(s secret.Secret, password string) bool {
		checks = append(checks, s.String()+" "+password)
		return u.work.Fits(s, password)
	}
	for _, test := range []struct {
		login mailbox.Login
		check string
	}{
		{mailbox.Login{User: "plain", Password: "p"}, "{PLAIN} p"}, {mailbox.Login{User: "plain", Password: "q"}, "{PLAIN} q"},
		{mailbox.Login{User: "cheap", Password: "p"}, "{BCRYPT} p"}, {mailbox.Login{User: "cheap", Password: "q"}, "{BCRYPT} q"},
		{mailbox.Login{User: "plain", Password: "p", AuthorizationID: "cheap"}, "{PLAIN} p"}, {mailbox.Login{User: "cheap@localhost", Password: "p"}, "{BCRYPT} p"},
		{mailbox.Login{User: "nobody", Password: "p"}, " p"}, {mailbox.Login{User: "nobody"}, " "}, {mailbox.Login{User: "\xff", Password: "p"}, " p"},
		{mailbox.Login{User: ""}, " "}, {mailbox.Login{User: "plain"}, "{PLAIN} "}, {mailbox.Login{User: "cheap"}, "{BCRYPT} "},
	} {
		checks = nil
		_, err := u.Authenticate(t.Context(), test.login)
		require.Equal(t, []string{test.check}, checks, "%q", test.login.User)
		login := test.login
		require.Equal(t, login.Password == "p" && login.AuthorizationID == "" && !strings.Contains("nobody\xff", login.User), err == nil, "%q", login.User)
	}
}

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
)

func TestAuthenticate(t *testing.T) {
	u, err := parseUsers(strings.NewReader("alice:a\ncarol@example.org:c\nbob:{BCRYPT}" + hash(t, "b", bcrypt.MinCost)))
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
			u, err := parseUsers(strings.NewReader("bob:" + before + text))
			require.NoError(t, err)
			_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: before + text})
			require.ErrorIs(t, err, mailbox.ErrAuthFailed)
			_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: "b"})
			require.NoError(t, err)
		}
	}
}

// Every login does the work of the dearest hash, whoever it is for: 2 to the
// power of the cost, for all comparisons together.
func TestAllLoginsDoTheSameWork(t *testing.T) {
	const dearest = bcrypt.MinCost + 3
	u, err := parseUsers(strings.NewReader("plain:p\ncheap:{BCRYPT}" + hash(t, "p", bcrypt.MinCost) +
		"\nmiddle:" + hash(t, "p", dearest-1) + "\ndear:" + hash(t, "p", dearest)))
	require.NoError(t, err)
	work, fits := 0, 0
	u.compare = func(hash, password []byte) error {
		cost, err := bcrypt.Cost(hash)
		require.NoError(t, err)
		work += 1 << cost
		err = bcrypt.CompareHashAndPassword(hash, password)
		if err == nil {
			fits++
		} else {
			require.ErrorIs(t, err, bcrypt.ErrMismatchedHashAndPassword, "any other error comes before the work")
		}
		return err
	}
	for _, login := range []mailbox.Login{
		{User: "plain", Password: "p"}, {User: "plain", Password: "q"}, {User: "cheap", Password: "p"}, {User: "cheap", Password: "q"},
		{User: "middle", Password: "p"}, {User: "middle", Password: "q"}, {User: "dear", Password: "p"}, {User: "dear", Password: "q"},
		{User: "dear", Password: "p", AuthorizationID: "cheap"}, {User: "cheap@localhost", Password: "p"},
		{User: "nobody", Password: "p"}, {User: "nobody"}, {User: "\xff", Password: "p"}, {User: ""}, {User: "plain"}, {User: "cheap"},
		{User: "cheap", Password: strings.Repeat("p", 1000)},
	} {
		work, fits = 0, 0
		_, err := u.Authenticate(t.Context(), login)
		require.Equal(t, 1<<dearest, work, "%q", login.User)
		require.LessOrEqual(t, fits, 1, "a dummy has a password")
		require.Equal(t, login.Password == "p" && login.AuthorizationID == "" && !strings.Contains("nobody\xff", login.User), err == nil, "%q", login.User)
	}

	plain, err := parseUsers(strings.NewReader("plain:p"))
	require.NoError(t, err)
	plain.compare = func(hash, password []byte) error { panic("nothing is hashed") }
	_, err = plain.Authenticate(t.Context(), mailbox.Login{User: "nobody", Password: "p"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
}

package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3/auth"
)

// mda hash makes secrets for the users file, as a process with a password on
// its standard input.
func TestHash(t *testing.T) {
	for password, input := range map[string]string{
		"hunter2":               "hunter2\n",
		"no end":                "no end",
		" spaces ":              " spaces \r\n",
		"first":                 "first\nsecond\n",
		strings.Repeat("x", 72): strings.Repeat("x", 72) + "\n",
	} {
		mda := exec.Command(program(t), "hash", "-cost", "4")
		mda.Stdin = strings.NewReader(input)
		out, err := mda.Output()
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(out), "\n"))
		require.True(t, strings.HasPrefix(string(out), "{BCRYPT}$2a$04$"), string(out))
		u, err := auth.ParseUsers(strings.NewReader("bob:" + string(out)))
		require.NoError(t, err)
		_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: password})
		require.NoError(t, err, password)
	}
}

func TestHashErrors(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		job  hashJob
		want string
	}{
		{hashJob{in: strings.NewReader("")}, "no password: standard input must have it on its first line"},
		{hashJob{in: strings.NewReader("\nhunter2\n")}, "no password: standard input must have it on its first line"},
		{hashJob{in: strings.NewReader(strings.Repeat("x", 73))}, bcrypt.ErrPasswordTooLong.Error()},
		{hashJob{in: iotest.ErrReader(broken)}, broken.Error()},
	} {
		var out bytes.Buffer
		test.job.cost = bcrypt.MinCost
		_, err := test.job.run(t.Context(), &call{stdout: &out})
		require.EqualError(t, err, test.want)
		require.Empty(t, out.String())
	}
}

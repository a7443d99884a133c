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
	for _, scheme := range []struct{ args, form string }{
		{"", `^{SCRAM-SHA-256}4096,[^ ]+\n$`},
		{"-scheme scram-sha-1 -iterations 5000", `^{SCRAM-SHA-1}5000,[^ ]+\n$`},
		{"-scheme SCRAM-SHA-256,SCRAM-SHA-1", `^{SCRAM-SHA-256}4096,[^ ]+ {SCRAM-SHA-1}4096,[^ ]+\n$`},
		{"-scheme bcrypt -cost 4", `^{BCRYPT}\$2a\$04\$[^ ]+\n$`},
	} {
		for password, input := range map[string]string{
			"hunter2":               "hunter2\n",
			"no end":                "no end",
			" spaces ":              " spaces \r\n",
			"first":                 "first\nsecond\n",
			strings.Repeat("x", 72): strings.Repeat("x", 72) + "\n",
		} {
			mda := exec.Command(program(t), append([]string{"hash"}, strings.Fields(scheme.args)...)...)
			mda.Stdin = strings.NewReader(input)
			out, err := mda.Output()
			require.NoError(t, err)
			require.Regexp(t, scheme.form, string(out))
			u, err := auth.ParseUsers(strings.NewReader("bob:" + string(out)))
			require.NoError(t, err)
			_, err = u.Authenticate(t.Context(), mailbox.Login{User: "bob", Password: password})
			require.NoError(t, err, password)
		}
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
		test.job.cost, test.job.scheme = bcrypt.MinCost, "BCRYPT"
		_, err := test.job.run(t.Context(), &call{stdout: &out})
		require.EqualError(t, err, test.want)
		require.Empty(t, out.String())
	}
}

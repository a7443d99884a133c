package main

import (
	"bytes"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// user runs mda user as a process with a text on its standard input.
func (s *commandStore) user(t *testing.T, input string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	args = append([]string{"user", "-cassandra", strings.Join(s.config.Hosts, ","), "-dc", s.config.LocalDC, "-keyspace", s.config.Keyspace}, args...)
	mda := exec.Command(program(t), args...)
	var out, errs bytes.Buffer
	mda.Stdin, mda.Stdout, mda.Stderr = strings.NewReader(input), &out, &errs
	if err := mda.Run(); err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return mda.ProcessState.ExitCode(), out.String(), errs.String()
}

// Users are made, changed and listed by commands, while a program that serves
// them runs.
func TestUserCommands(t *testing.T) {
	s := newCommandStore(t)
	code, _, errs := s.mda(t, "users")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "mda user makes the table")

	done := func(input string, args ...string) {
		t.Helper()
		code, out, errs := s.user(t, input, args...)
		require.Zero(t, code, errs)
		require.Equal(t, "done\n", out)
	}
	done("hunter2\n", "-user", "Bob@Example.org", "-set")
	p := launch(t, "-store", "cassandra", "-cassandra", strings.Join(s.config.Hosts, ","), "-dc", s.config.LocalDC,
		"-keyspace", s.config.Keyspace, "-users-table", "-tls-self-signed")
	login := func(user, password string) bool {
		t.Helper()
		d := p.dial(t, "pop3")
		defer d.conn.Close()
		d.play("S: +OK *\nC: USER " + user + "\nS: +OK*\nC: PASS " + password)
		line, err := d.reader.ReadString('\n')
		require.NoError(t, err)
		return strings.HasPrefix(line, "+OK")
	}
	require.True(t, login("bob@example.org", "hunter2"))
	require.False(t, login("bob@example.org", "hunter3"))

	done("", "-user", "sales@example.org", "-alias-of", "bob@example.org")
	require.True(t, login("sales@example.org", "hunter2"))
	lmtp := p.dial(t, "lmtp")
	lmtp.play("S: 220 *\nC: LHLO x\n")
	lmtp.conn.Close()
	done("", "-user", "bob@example.org", "-disable")
	require.False(t, login("bob@example.org", "hunter2"))
	require.False(t, login("sales@example.org", "hunter2"))

	code, out, _ := s.mda(t, "users")
	require.Zero(t, code)
	require.Equal(t, "bob@example.org: {SCRAM-SHA-256} {SCRAM-SHA-1}, disabled\nsales@example.org: alias of bob@example.org\n", out)
	_, out, _ = s.mda(t, "users", "-json")
	require.Contains(t, out, `{"name":"sales@example.org","aliasOf":"bob@example.org"}`)

	done("", "-user", "bob@example.org", "-enable")
	done("", "-user", "sales@example.org", "-no-alias")
	require.True(t, login("bob@example.org", "hunter2"))
	require.False(t, login("sales@example.org", "hunter2"))
	code, out, errs = s.user(t, "{BCRYPT}$2a$04$"+strings.Repeat("x", 53), "-user", "carl", "-import")
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Contains(t, errs, "no keys of SCRAM")
	code, _, errs = s.user(t, "", "-user", "nobody", "-disable")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "no such user")
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
}

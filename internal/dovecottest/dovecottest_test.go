package dovecottest_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/internal/dovecottest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dialogue sends commands and returns the first lines of the answers.
func dialogue(t *testing.T, conn net.Conn, commands ...string) (answers []string) {
	t.Helper()
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(conn)
	_, err := in.ReadString('\n')
	require.NoError(t, err)
	for _, command := range commands {
		_, err := io.WriteString(conn, command+"\r\n")
		require.NoError(t, err)
		answer, err := in.ReadString('\n')
		require.NoError(t, err)
		answers = append(answers, answer)
	}
	return answers
}

func TestDovecotServesAMaildir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "new"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new", "1.a.host"), []byte("Subject: a\n\nA\n"), 0o600))
	server := dovecottest.Start(t, dovecottest.Config{Maildir: dir, User: "anna", Password: "s3cret", Settings: "pop3_uidl_format = %f"})
	require.Equal(t, dir, server.Maildir)

	plain, err := net.Dial("tcp", server.POP3)
	require.NoError(t, err)
	secure, err := tls.Dial("tcp", server.POP3S, &tls.Config{RootCAs: server.RootCAs})
	require.NoError(t, err)
	for _, conn := range []net.Conn{plain, secure} {
		answers := dialogue(t, conn, "USER anna", "PASS s3cret", "STAT", "UIDL 1", "QUIT")
		require.Equal(t, []string{"+OK 1 17\r\n", "+OK 1 1.a.host\r\n"}, answers[2:4], server.Log())
	}
}

func TestDovecotHasAUserWithoutAnyConfig(t *testing.T) {
	server := dovecottest.Start(t, dovecottest.Config{})
	conn, err := net.Dial("tcp", server.POP3)
	require.NoError(t, err)
	answers := dialogue(t, conn, "USER "+server.User, "PASS "+server.Password, "STAT", "QUIT")
	require.Equal(t, "+OK 0 0\r\n", answers[2], server.Log())
	require.DirExists(t, filepath.Join(server.Maildir, "new"))
}

// Dovecot is gone after the test, and so are its files.
func TestDovecotEndsWithTheTest(t *testing.T) {
	var server *dovecottest.Server
	t.Run("inner", func(t *testing.T) { server = dovecottest.Start(t, dovecottest.Config{}) })
	if server == nil {
		t.Skip("no Dovecot")
	}
	_, err := net.Dial("tcp", server.POP3)
	require.Error(t, err)
	require.NoDirExists(t, server.Maildir)
}

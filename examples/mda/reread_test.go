package main

import (
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
)

// lookEvery is longer than the time within which a file is looked at once.
const lookEvery = 2 * time.Second

// A certificate and its key are replaced one after the other. In between, the
// old ones are used.
func TestCertificateIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		o := options{tlsCert: filepath.Join(dir, "cert.pem"), tlsKey: filepath.Join(dir, "key.pem")}
		copyFile := func(to, from string) {
			text, err := os.ReadFile(from)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(to, text, 0o600))
			time.Sleep(lookEvery)
		}
		first, second := newCertificate(t), newCertificate(t)
		copyFile(o.tlsCert, first.cert)
		copyFile(o.tlsKey, first.key)
		certificate, err := o.openCertificate(slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		config := tlsConfig(certificate)
		shown := func() []byte {
			c, err := config.GetCertificate(new(tls.ClientHelloInfo))
			require.NoError(t, err)
			return c.Certificate[0]
		}
		require.Equal(t, first.Server.Certificate[0], shown())
		copyFile(o.tlsCert, second.cert)
		require.Equal(t, first.Server.Certificate[0], shown())
		copyFile(o.tlsKey, second.key)
		require.Equal(t, second.Server.Certificate[0], shown())
	})
}

// certificateFiles is a certificate that is in files.
type certificateFiles struct {
	*testcert.Certificate
	cert, key string
}

func newCertificate(t *testing.T) certificateFiles {
	t.Helper()
	c, err := testcert.New()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, c.WriteFiles(dir))
	return certificateFiles{c, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// SIGHUP does not end the program. It reads the users file and the certificate
// again, even if nothing shows that they have changed.
func TestHangUp(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(users, []byte("alice:a\n"), 0o600))
	before, err := os.Stat(users)
	require.NoError(t, err)
	first, second := newCertificate(t), newCertificate(t)
	p := launch(t, "-store", "memory", "-users", users, "-tls-cert", first.cert, "-tls-key", first.key, "-pop3s", "127.0.0.1:0")
	require.NoError(t, os.WriteFile(users, []byte("alice:b\n"), 0o600))
	require.NoError(t, os.Chtimes(users, before.ModTime(), before.ModTime()))
	require.NoError(t, os.Rename(second.key, first.key))
	require.NoError(t, os.Rename(second.cert, first.cert))
	require.NoError(t, p.Process.Signal(syscall.SIGHUP))
	require.Eventually(t, func() bool {
		d := p.dial(t, "pop3")
		defer d.conn.Close()
		d.play("S: +OK *\nC: USER alice\nS: +OK*\nC: PASS b")
		answer, err := d.reader.ReadString('\n')
		return err == nil && strings.HasPrefix(answer, "+OK")
	}, patienceOfTests, 50*time.Millisecond)
	conn, err := tls.Dial("tcp", p.address["pop3s"], &tls.Config{RootCAs: second.Roots})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Zero(t, p.end(t, syscall.SIGTERM), p.stderr.String())
	require.Contains(t, p.stderr.String(), "read again")
}

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
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

// texts is the contents of one file, for tests.
type texts struct {
	*latest[string]
	file  string
	reads int
	fails error // of the reads to come
	log   bytes.Buffer
}

func newTexts(t *testing.T) *texts {
	x := &texts{file: filepath.Join(t.TempDir(), "file")}
	x.write(t, "first")
	var err error
	x.latest, err = newLatest(slog.New(slog.NewTextHandler(&x.log, nil)), func() (string, error) {
		x.reads++
		if x.fails != nil {
			return "", x.fails
		}
		text, err := os.ReadFile(x.file)
		return string(text), err
	}, x.file)
	require.NoError(t, err)
	return x
}

func (x *texts) write(t *testing.T, text string) {
	require.NoError(t, os.WriteFile(x.file, []byte(text), 0o600))
}

// A file is read when it has changed, which get looks at once in a second.
func TestFilesAreReadWhenTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.get())
		}
		require.Equal(t, 1, x.reads, "it has not changed")

		x.write(t, "second")
		require.Equal(t, "first", x.get(), "no second has passed")
		time.Sleep(lookEvery)
		require.Equal(t, "second", x.get())
		require.Equal(t, 2, x.reads)

		// Another file in its place, with the same length and time.
		before, err := os.Stat(x.file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(x.file+".new", []byte("secund"), 0o600))
		require.NoError(t, os.Chtimes(x.file+".new", before.ModTime(), before.ModTime()))
		require.NoError(t, os.Rename(x.file+".new", x.file))
		time.Sleep(lookEvery)
		require.Equal(t, "secund", x.get())
	})
}

// What cannot be read is logged once, and what was read before stays. It is
// tried again although the file does not change: who may read it may change.
func TestFilesThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTexts(t)
		warnings := func() int { return strings.Count(x.log.String(), "level=WARN") }
		require.NoError(t, os.Remove(x.file))
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.get())
		}
		require.Equal(t, 1, warnings(), x.log.String())
		require.Contains(t, x.log.String(), x.file)

		x.fails = errors.New("no permission")
		x.write(t, "second")
		for range 3 {
			time.Sleep(lookEvery)
			require.Equal(t, "first", x.get())
		}
		require.Equal(t, 2, warnings(), x.log.String())
		x.again()
		require.Equal(t, 3, warnings(), "whoever asks for it is told")

		x.fails = nil
		time.Sleep(lookEvery)
		require.Equal(t, "second", x.get())
		require.Equal(t, 3, warnings())
	})
}

// What is no file, such as a pipe, is read once: the next reader might wait for
// ever, and all logins with it.
func TestPipesAreReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads, dir := 0, t.TempDir()
		read := func() (int, error) { reads++; return reads, nil }
		l, err := newLatest(slog.New(slog.DiscardHandler), read, dir)
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(dir, "x"), 0o700)) // changes its time
		time.Sleep(lookEvery)
		l.again()
		require.Equal(t, 1, l.get())
	})
}

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

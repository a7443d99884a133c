package dovecottest_test

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/internal/dovecottest"
	"github.com/popcask/popcask/pop3/pop3client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDovecotServesAMaildir(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "Maildir")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "new"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "new", "1.a.host"), []byte("Subject: a\n\nA\n"), 0o600))
	server := dovecottest.Start(t, dovecottest.Config{Maildir: dir, User: "anna", Password: "s3cret", Settings: "pop3_uidl_format = %f"})
	require.Equal(t, dir, server.Maildir)

	plain, err := pop3client.Dial(ctx, server.POP3, pop3client.Options{AllowInsecureAuth: true})
	require.NoError(t, err)
	secure, err := pop3client.DialTLS(ctx, server.POP3S, pop3client.Options{TLS: &tls.Config{RootCAs: server.RootCAs}})
	require.NoError(t, err)
	for _, client := range []*pop3client.Client{plain, secure} {
		require.NoError(t, client.Login(ctx, "anna", "s3cret"), server.Log())
		list, err := client.UIDL(ctx)
		require.NoError(t, err)
		require.Equal(t, []pop3client.Message{{Number: 1, UIDL: "1.a.host"}}, list)
		require.NoError(t, client.Quit(ctx))
	}
}

func TestDovecotHasAUserWithoutAnyConfig(t *testing.T) {
	ctx := t.Context()
	server := dovecottest.Start(t, dovecottest.Config{})
	client, err := pop3client.Dial(ctx, server.POP3, pop3client.Options{AllowInsecureAuth: true})
	require.NoError(t, err)
	require.NoError(t, client.Login(ctx, server.User, server.Password), server.Log())
	messages, _, err := client.Stat(ctx)
	require.NoError(t, err)
	require.Zero(t, messages)
	require.NoError(t, client.Quit(ctx))
	require.DirExists(t, filepath.Join(server.Maildir, "new"))
}

// Dovecot is gone after the test, and so are its files. Its port may be another
// program's by then, which does not have its certificate.
func TestDovecotEndsWithTheTest(t *testing.T) {
	var server *dovecottest.Server
	t.Run("inner", func(t *testing.T) { server = dovecottest.Start(t, dovecottest.Config{}) })
	if server == nil {
		t.Skip("no Dovecot")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := pop3client.DialTLS(ctx, server.POP3S, pop3client.Options{TLS: &tls.Config{RootCAs: server.RootCAs}})
	require.Error(t, err)
	require.NoDirExists(t, server.Maildir)
}

package pop3client_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/dovecottest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
)

// dovecotMail is what Dovecot serves: messages with dots, without an end, of
// one long line, of none, and large, and many that are small.
func dovecotMail() (messages []string) {
	messages = []string{
		"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n. \r\n",
		"Subject: no end\r\n\r\nthe last line",
		"Subject: long\r\n\r\n" + strings.Repeat("0123456789", 20_000) + "\r\n",
		"Subject: nothing\r\n\r\n",
		"Subject: large\r\n\r\n" + strings.Repeat(".a line of some length that begins with a dot\r\n", 100_000),
	}
	for i := range 3 * pop3client.MaxAhead {
		messages = append(messages, fmt.Sprintf("Subject: %d\r\n\r\n%d\r\n", i, i))
	}
	return messages
}

func startDovecot(t *testing.T) (*dovecottest.Server, pop3client.Options) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "Maildir")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "new"), 0o700))
	for i, message := range dovecotMail() {
		name := filepath.Join(dir, "new", fmt.Sprintf("%d.M0P1.host", 1700000000+i))
		require.NoError(t, os.WriteFile(name, []byte(strings.ReplaceAll(message, "\r\n", "\n")), 0o600))
	}
	server := dovecottest.Start(t, dovecottest.Config{Maildir: dir})
	return server, pop3client.Options{TLS: &tls.Config{RootCAs: server.RootCAs}}
}

// received is a message as Dovecot sends it: its last line ends.
func received(message string) string {
	return strings.TrimSuffix(message, "\r\n") + "\r\n"
}

// Each way to log in to Dovecot, and all commands of one session.
func TestDovecot(t *testing.T) {
	server, options := startDovecot(t)
	t.Run("logins", func(t *testing.T) { dovecotLogins(t, server, options) })
	t.Run("session", func(t *testing.T) { dovecotSession(t, server, options) })
	t.Run("pipeline", func(t *testing.T) { dovecotPipeline(t, server, options) })
}

func dovecotLogins(t *testing.T, server *dovecottest.Server, options pop3client.Options) {
	ctx := t.Context()
	user, password := server.User, server.Password
	for name, login := range map[string]func(*pop3client.Client) error{
		"USER":     func(c *pop3client.Client) error { return c.Login(ctx, user, password) },
		"PLAIN":    func(c *pop3client.Client) error { return c.Auth(ctx, pop3client.Plain("", user, password)) },
		"CRAM-MD5": func(c *pop3client.Client) error { return c.Auth(ctx, cramMD5(user, password)) },
		"PLAIN at length": func(c *pop3client.Client) error {
			err := c.Auth(ctx, pop3client.Plain("", user, strings.Repeat("x", 300)))
			require.ErrorIs(t, err, mailbox.ErrAuthFailed)
			return c.Auth(ctx, pop3client.Plain("", user, password))
		},
		"a wrong password first": func(c *pop3client.Client) error {
			err := c.Login(ctx, user, "wrong")
			var refused *pop3client.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, pop3.CodeAuth, refused.Code)
			return c.Login(ctx, user, password)
		},
		"APOP": func(c *pop3client.Client) error {
			if !c.CanAPOP() {
				return c.Login(ctx, user, password) // after STLS
			}
			return c.APOP(ctx, user, password)
		},
	} {
		t.Run(name, func(t *testing.T) {
			overTLS, err := pop3client.DialTLS(ctx, server.POP3S, options)
			require.NoError(t, err)
			upgraded, err := pop3client.Dial(ctx, server.POP3, options)
			require.NoError(t, err)
			require.True(t, upgraded.CanAPOP(), upgraded.Greeting())
			require.NoError(t, upgraded.StartTLS(ctx, nil))
			for _, client := range []*pop3client.Client{overTLS, upgraded} {
				require.NoError(t, login(client), server.Log())
				n, _, err := client.Stat(ctx)
				require.NoError(t, err)
				require.Equal(t, len(dovecotMail()), n)
				require.NoError(t, client.Quit(ctx))
			}
		})
	}
}

func dovecotSession(t *testing.T, server *dovecottest.Server, options pop3client.Options) {
	ctx := t.Context()
	client := dovecotClient(t, server, options)
	found, err := client.Capabilities(ctx)
	require.NoError(t, err)
	for _, name := range []string{"TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"} {
		require.True(t, found.Has(name), name)
	}
	messages := dovecotMail()
	sizes, err := client.List(ctx)
	require.NoError(t, err)
	uidls, err := client.UIDL(ctx)
	require.NoError(t, err)
	require.Len(t, sizes, len(messages))
	require.Len(t, uidls, len(messages))
	for i := range 5 {
		body, err := client.Retr(ctx, i+1)
		octets := readAll(t, body, err)
		require.True(t, received(messages[i]) == octets, "message %d, octet for octet", i+1)
		size, err := client.ListOne(ctx, i+1)
		require.NoError(t, err)
		require.Equal(t, sizes[i].Size, size)
		uidl, err := client.UIDLOne(ctx, i+1)
		require.NoError(t, err)
		require.Equal(t, uidls[i].UIDL, uidl)
	}
	body, err := client.Top(ctx, 1, 2)
	require.Equal(t, "Subject: dots\r\n\r\n.\r\n..\r\n", readAll(t, body, err))
	_, err = client.Retr(ctx, 1000)
	require.ErrorAs(t, err, new(*pop3client.Error))

	body, err = client.Retr(ctx, 3)
	require.NoError(t, err)
	require.NoError(t, body.Close(), "200 kB are dropped")
	require.NoError(t, client.Noop(ctx))

	require.NoError(t, client.Dele(ctx, 1))
	require.NoError(t, client.Rset(ctx))
	require.NoError(t, client.Dele(ctx, 2))
	require.NoError(t, client.Quit(ctx))

	again := dovecotClient(t, server, options)
	left, err := again.UIDL(ctx)
	require.NoError(t, err)
	require.Len(t, left, len(messages)-1)
	require.Equal(t, []string{uidls[0].UIDL, uidls[2].UIDL}, []string{left[0].UIDL, left[1].UIDL})
	require.NoError(t, again.Quit(ctx))
}

func dovecotPipeline(t *testing.T, server *dovecottest.Server, options pop3client.Options) {
	ctx := t.Context()
	client := dovecotClient(t, server, options)
	list, err := client.List(ctx)
	require.NoError(t, err)
	var numbers []int
	for i := range list {
		numbers = append(numbers, list[len(list)-1-i].Number)
	}
	numbers = append(numbers, 1000) // there is none
	n := 0
	for m, err := range client.RetrieveAll(ctx, numbers) {
		require.Equal(t, numbers[n], m.Number)
		if n++; n == len(numbers) {
			require.ErrorAs(t, err, new(*pop3client.Error))
			continue
		}
		require.EqualValues(t, list[m.Number-1].Size, len(readAll(t, m.Body, err)))
	}
	require.Equal(t, len(numbers), n)
	require.NoError(t, client.Quit(ctx))
}

func dovecotClient(t *testing.T, server *dovecottest.Server, options pop3client.Options) *pop3client.Client {
	t.Helper()
	client, err := pop3client.DialTLS(t.Context(), server.POP3S, options)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	require.NoError(t, client.Login(t.Context(), server.User, server.Password), server.Log())
	return client
}

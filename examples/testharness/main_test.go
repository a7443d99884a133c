package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3/pop3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// to is a sender for a server of a test.
func to(server *pop3test.MailServer) sender {
	return sender{server: server.Submission.String(), roots: server.RootCAs, pause: time.Millisecond}
}

// What arrives is what was meant, whatever became of it on the way: umlauts in
// the header, an attachment in base64.
func TestInvitation(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	plan := []byte("%PDF-1.7\r\n\x00\xff")
	require.NoError(t, to(server).send(t.Context(), invitation{"anna@example.org", "Bring boots.\n", plan}))

	message := server.Wait(t.Context(), 1)[0]
	require.Equal(t, "anna@example.org", message.User)
	require.Equal(t, "Führung durch die Käserei", message.Subject)
	require.Equal(t, "Bring boots.\n", message.Text)
	require.Equal(t, []pop3test.Attachment{{Name: "plan.pdf", Type: "application/pdf", Data: plan}}, message.Attachments)
}

// The server has no time at first.
func TestItTriesAgain(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	server.FailNext(mailbox.ErrTemporary)
	require.NoError(t, to(server).send(t.Context(), invitation{to: "anna@example.org"}))
	require.Len(t, server.Messages("anna@example.org"), 1)
}

func TestItGivesUp(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t, "anna@example.org") // and nobody else
	require.ErrorContains(t, to(server).send(t.Context(), invitation{to: "ana@example.org"}), "No such user")
	server.FailNext(mailbox.ErrTooLarge)
	require.ErrorContains(t, to(server).send(t.Context(), invitation{to: "anna@example.org"}), "too large")
	for range tries {
		server.FailNext(mailbox.ErrTemporary)
	}
	require.Error(t, to(server).send(t.Context(), invitation{to: "anna@example.org"}))
	require.Empty(t, server.Users())
}

// The answer is lost on its way: it is better that a message comes twice than
// that it does not come.
func TestTheLineDrops(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	server.DropNext()
	require.NoError(t, to(server).send(t.Context(), invitation{to: "anna@example.org"}))
	require.Len(t, server.Messages("anna@example.org"), 2)
}

// The whole program, with TLS and a login; and a mailbox that has mail already,
// which the test reads over POP3.
func TestProgram(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	server.Load(fstest.MapFS{"anna@example.org/old.eml": {Data: []byte("Subject: old\n\nold\n")}})
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("hunter2\n"), 0o600))
	require.NoError(t, run(t.Context(), []string{"-server", server.Submission.String(), "-ca", server.CAFile(),
		"-user", "events", "-password-file", secret, "-to", "anna@example.org"}, strings.NewReader("Bring boots.\n")))

	messages := server.Messages("anna@example.org")
	require.Len(t, messages, 2)
	require.Equal(t, "Bring boots.\n", messages[1].Text)
	client := server.Dial(t)
	client.Login("anna@example.org", "any password")
	_, octets := client.Multi("RETR 2")
	require.Contains(t, string(octets), "\r\n\r\nBring boots.\r\n")
	client.Quit()
}

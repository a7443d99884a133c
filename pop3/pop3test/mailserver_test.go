package pop3test_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/pop3/pop3client"
	"github.com/popcask/popcask/pop3/pop3test"
)

// send sends a message from sender@example.net through SMTP.
func send(server *pop3test.MailServer, text string, to ...string) error {
	return smtp.SendMail(server.SMTP.String(), nil, "sender@example.net", to, []byte(strings.ReplaceAll(text, "\n", "\r\n")))
}

// code is the reply code of an error of net/smtp, 0 if it is none.
func code(err error) int {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return reply.Code
	}
	return 0
}

func TestMailServerWait(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	require.Empty(t, server.Users())
	go func() {
		send(server, "Subject: one\n\n1\n", "Anna@Example.org", "bert@example.org")
		send(server, "Subject: two\n\n2\n", "anna@example.org")
	}()
	messages := server.Wait(t.Context(), 3)
	require.Len(t, messages, 3)
	require.Equal(t, "anna@example.org", messages[0].User)
	require.Equal(t, "sender@example.net", messages[0].EnvelopeFrom)
	require.Equal(t, "Anna@Example.org", messages[0].EnvelopeTo)
	require.Equal(t, "Subject: one\r\n\r\n1\r\n", string(messages[0].Octets))
	two := server.WaitFor(t.Context(), func(m *pop3test.Message) bool { return m.Subject == "two" })
	require.Equal(t, "2\n", two.Text)
	require.Equal(t, []string{"anna@example.org", "bert@example.org"}, server.Users())
	require.Len(t, server.Messages("ANNA@example.org"), 2)
	require.Same(t, two, server.Messages("anna@example.org")[1])
	require.Empty(t, server.Messages("cleo@example.org"))
}

// fatalT is a test that ends by Fatalf.
type fatalT struct {
	*exampleT
	said string
}

type ended struct{}

func (t *fatalT) Fatalf(format string, args ...any) {
	t.said = fmt.Sprintf(format, args...)
	panic(ended{})
}

func TestMailServerWaitsNoLongerThanItShould(t *testing.T) {
	t.Parallel()
	inner := &fatalT{exampleT: new(exampleT)}
	defer inner.end()
	server := pop3test.NewMailServer(inner)
	require.NoError(t, send(server, "Subject: one\n\n1\n", "anna@example.org"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	require.Panics(t, func() { server.Wait(ctx, 2) })
	require.Equal(t, "pop3test: no 2 messages in time; delivered:\n\tto anna@example.org: \"one\"", inner.said)
	require.Panics(t, func() { server.WaitFor(ctx, func(*pop3test.Message) bool { return false }) })
	require.Panics(t, func() { server.Messages("") })
}

// What senders make of a text comes out as the text.
func TestMessagesAreParsed(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	require.NoError(t, send(server, `From: =?utf-8?q?J=C3=B6rg?= <joerg@example.net>
To: Anna <anna@example.org>, bert@example.org
Cc: cleo@example.org
Subject: =?iso-8859-1?Q?Gr=FC=DFe?=
Date: Mon, 30 Nov 2026 12:00:00 +0100
X-Priority: 1
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe=
, Anna.
--inner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PGI+R3LDvMOfZTwvYj4=
--inner--
--outer
Content-Type: application/pdf; name=plan.pdf
Content-Disposition: attachment; filename="=?utf-8?q?Pl=C3=A4ne.pdf?="
Content-Transfer-Encoding: base64

JVBERg0K
--outer
Content-Type: text/plain
Content-Disposition: attachment; filename=notes.txt

notes
--outer--
`, "anna@example.org"))
	message := server.Wait(t.Context(), 1)[0]
	require.NoError(t, message.Err)
	require.Equal(t, "Grüße", message.Subject)
	require.Equal(t, `"Jörg" <joerg@example.net>`, fmt.Sprintf("%q <%s>", message.From[0].Name, message.From[0].Address))
	require.Len(t, message.To, 2)
	require.Equal(t, "cleo@example.org", message.Cc[0].Address)
	require.True(t, message.Date.Equal(time.Date(2026, 11, 30, 11, 0, 0, 0, time.UTC)))
	require.Equal(t, "1", message.Header.Get("x-priority"))
	require.Equal(t, "Grüße, Anna.", message.Text)
	require.Equal(t, "<b>Grüße</b>", message.HTML)
	require.Equal(t, []pop3test.Attachment{
		{Name: "Pläne.pdf", Type: "application/pdf", Data: []byte("%PDF\r\n")},
		{Name: "notes.txt", Type: "text/plain", Data: []byte("notes")},
	}, message.Attachments)
}

// What cannot be parsed is an error of the message, which is there all the same.
func TestMessagesThatCannotBeParsed(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	for text, isBroken := range map[string]bool{
		"no header at all": true,
		"Content-Type: multipart/mixed; boundary=x\n\n--x\nno end": true,
		"From: a b <\n\nbroken address\n":                          true,
		"Date: yesterday\n\n":                                      true,
		"Content-Type: text/plain; charset=klingon\n\nqapla'\n":    false,
		"\nbody alone\n":                                           false,
		"":                                                         false,
	} {
		require.NoError(t, send(server, text, "anna@example.org"))
		messages := server.Messages("anna@example.org")
		message := messages[len(messages)-1]
		require.Equal(t, isBroken, message.Err != nil, "%q: %v", text, message.Err)
	}
}

func TestMailServerSpeaksLMTPAndTLS(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	ctx := t.Context()

	client, err := smtp.Dial(server.SMTP.String())
	require.NoError(t, err)
	offered, _ := client.Extension("STARTTLS")
	require.False(t, offered, "net/smtp and others would begin it, and not trust the server")
	deliver(t, client)

	client, err = smtp.Dial(server.Submission.String())
	require.NoError(t, err)
	require.NoError(t, client.StartTLS(server.ClientTLS()))
	require.NoError(t, client.Auth(smtp.PlainAuth("", "anna", "any", "127.0.0.1")))
	deliver(t, client)

	conn, err := tls.Dial("tcp", server.SMTPS.String(), server.ClientTLS())
	require.NoError(t, err)
	client, err = smtp.NewClient(conn, "localhost")
	require.NoError(t, err)
	deliver(t, client)

	lines, err := textproto.Dial("tcp", server.LMTP.String())
	require.NoError(t, err)
	defer lines.Close()
	fmt.Fprint(lines.W, "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<anna@x>\r\nRCPT TO:<bert@x>\r\nDATA\r\n.\r\nQUIT\r\n")
	require.NoError(t, lines.W.Flush())
	for _, code := range []int{220, 250, 250, 250, 250, 354, 250, 250, 221} {
		_, _, err := lines.ReadResponse(code)
		require.NoError(t, err)
	}
	require.Len(t, server.Wait(ctx, 5), 5)

	for address, dial := range map[string]func(context.Context, string, pop3client.Options) (*pop3client.Client, error){
		server.POP3.String(): pop3client.Dial, server.POP3S.String(): pop3client.DialTLS,
	} {
		reader, err := dial(ctx, address, pop3client.Options{TLS: server.ClientTLS(), AllowInsecureAuth: true})
		require.NoError(t, err)
		require.NoError(t, reader.Login(ctx, "anna@x", "any"))
		messages, _, err := reader.Stat(ctx)
		require.NoError(t, err)
		require.Equal(t, 4, messages)
		require.NoError(t, reader.Quit(ctx))
	}
}

// deliver sends an empty message to anna@x and ends the session.
func deliver(t *testing.T, client *smtp.Client) {
	t.Helper()
	require.NoError(t, client.Mail("sender@example.net"))
	require.NoError(t, client.Rcpt("anna@x"))
	w, err := client.Data()
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, client.Quit())
}

// Any login is taken, in all the forms that senders use.
func TestMailServerTakesAnyLogin(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	for script, answers := range map[string]string{
		"AUTH PLAIN AGEAYg==\r\n":                     "235",
		"AUTH PLAIN\r\nAGEAYg==\r\n":                  "334 235",
		"AUTH plain =\r\n":                            "235",
		"AUTH LOGIN\r\nYQ==\r\nYg==\r\n":              "334 334 235",
		"AUTH LOGIN YQ==\r\nYg==\r\n":                 "334 235",
		"AUTH LOGIN\r\n*\r\nNOOP\r\n":                 "334 501 250",
		"AUTH CRAM-MD5\r\n":                           "504",
		"AUTH PLAIN !\r\nMAIL FROM:<a@b> AUTH=<>\r\n": "501 250",
	} {
		lines, err := textproto.Dial("tcp", server.SMTP.String())
		require.NoError(t, err)
		_, _, err = lines.ReadResponse(220)
		require.NoError(t, err)
		fmt.Fprint(lines.W, "EHLO x\r\n"+script)
		require.NoError(t, lines.W.Flush())
		_, text, err := lines.ReadResponse(250)
		require.NoError(t, err)
		require.Contains(t, text, "AUTH PLAIN LOGIN")
		for answer := range strings.FieldsSeq(answers) {
			got, _, err := lines.ReadCodeLine(0)
			require.NoError(t, err)
			require.Equal(t, answer, fmt.Sprint(got), script)
		}
		require.NoError(t, lines.Close())
	}
}

// Each fault on demand, and that it is gone afterwards.
func TestFaultsOnDemand(t *testing.T) {
	const text = "Subject: x\n\nx\n"
	t.Run("a recipient is refused", func(t *testing.T) {
		t.Parallel()
		server := pop3test.NewMailServer(t)
		server.Refuse("anna@example.org", mailbox.ErrNoSuchUser)
		require.Equal(t, 550, code(send(server, text, "Anna@example.org")))
		server.Refuse("anna@example.org", &lmtp.Error{Code: 450, Enhanced: "4.7.1", Text: "Greylisted"})
		require.Equal(t, 450, code(send(server, text, "anna@example.org")))
		server.Refuse("anna@example.org", nil)
		require.NoError(t, send(server, text, "anna@example.org"))
	})
	t.Run("all but some are refused", func(t *testing.T) {
		t.Parallel()
		server := pop3test.NewMailServer(t, "anna@example.org")
		require.Equal(t, 550, code(send(server, text, "bert@example.org")))
		require.NoError(t, send(server, text, "anna@example.org"))
		reader := server.Dial(t)
		require.Equal(t, "+OK", reader.Command("USER bert@example.org")[:3])
		require.Equal(t, "-ERR [AUTH] authentication failed", reader.Command("PASS x"))
	})
	t.Run("the next delivery fails", func(t *testing.T) {
		t.Parallel()
		server := pop3test.NewMailServer(t)
		server.FailNext(mailbox.ErrTemporary)
		server.FailNext(mailbox.ErrOverQuota)
		require.Equal(t, 451, code(send(server, text, "anna@example.org")))
		require.Equal(t, 552, code(send(server, text, "anna@example.org")))
		require.NoError(t, send(server, text, "anna@example.org"))
		require.Len(t, server.Messages("anna@example.org"), 1)
	})
	t.Run("the line drops after DATA", func(t *testing.T) {
		t.Parallel()
		server := pop3test.NewMailServer(t)
		server.DropNext()
		err := send(server, text, "anna@example.org")
		require.Error(t, err)
		require.Zero(t, code(err), "there is no answer: %v", err)
		require.NoError(t, send(server, text, "anna@example.org"))
		require.Len(t, server.Messages("anna@example.org"), 2)
	})
	t.Run("it is slow", func(t *testing.T) {
		t.Parallel()
		server := pop3test.NewMailServer(t)
		server.Delay(time.Hour)
		conn, err := net.Dial("tcp", server.SMTP.String())
		require.NoError(t, err)
		client, err := smtp.NewClient(conn, "localhost")
		require.NoError(t, err)
		require.NoError(t, client.Mail("sender@example.net"))
		require.NoError(t, client.Rcpt("anna@x"))
		w, err := client.Data()
		require.NoError(t, err)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		require.ErrorIs(t, w.Close(), os.ErrDeadlineExceeded)
		require.NoError(t, conn.Close())
		server.Delay(0)
		require.NoError(t, send(server, text, "anna@example.org"))
	})
}

// Fixtures are in the mailbox, and do not count as deliveries.
func TestMailServerLoad(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	server.Load(fstest.MapFS{"anna@example.org/old.eml": {Data: []byte("Subject: old\n\nold\n")}})
	require.Empty(t, server.Users())
	require.NoError(t, send(server, "Subject: new\n\nnew\n", "anna@example.org"))
	require.Equal(t, "new", server.Wait(t.Context(), 1)[0].Subject)
	messages := server.Messages("anna@example.org")
	require.Len(t, messages, 2)
	require.Equal(t, "old", messages[0].Subject)

	reader := server.Dial(t)
	reader.Login("anna@example.org", "any")
	reader.Command("DELE 1")
	reader.Quit()
	require.Len(t, server.Messages("anna@example.org"), 1, "what is there")
	require.Len(t, server.Wait(t.Context(), 1), 1, "what was delivered")
}

// Two hundred servers at once, each with mail of its own, and nothing is left of
// them: goleak is in TestMain.
func TestTwoHundredMailServers(t *testing.T) {
	t.Parallel()
	servers := make([]*pop3test.MailServer, 200)
	for i := range servers {
		servers[i] = pop3test.NewMailServer(t)
	}
	var senders sync.WaitGroup
	for i, server := range servers {
		senders.Go(func() {
			if err := send(server, fmt.Sprintf("Subject: %d\n\n", i), "anna@example.org"); err != nil {
				t.Error(err)
			}
		})
	}
	senders.Wait()
	for i, server := range servers {
		messages := server.Wait(t.Context(), 1)
		require.Len(t, messages, 1)
		require.Equal(t, fmt.Sprint(i), messages[0].Subject)
	}
}

// A large message is taken, and comes out as it went in.
func TestMailServerHasNoLimit(t *testing.T) {
	t.Parallel()
	server := pop3test.NewMailServer(t)
	text := append([]byte("\r\n"), bytes.Repeat([]byte("some text\r\n"), 7<<20/11)...)
	require.NoError(t, smtp.SendMail(server.SMTP.String(), nil, "a@b", []string{"anna@x"}, text))
	reader := server.Dial(t)
	reader.Login("anna@x", "any")
	require.Equal(t, "+OK", reader.Command("RETR 1")[:3])
	got, err := io.ReadAll(reader.ReadBody(t.Context()))
	require.NoError(t, err)
	require.True(t, bytes.Equal(text, got))
}

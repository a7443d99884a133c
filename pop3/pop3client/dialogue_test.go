package pop3client_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/pop3/pop3client"
)

// No test leaves a goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// insecure is what most of these clients are: their connections are pipes.
var insecure = pop3client.Options{AllowInsecureAuth: true, Timeout: 20 * time.Second}

// play is a server that holds a dialogue, as RFCs print them: it sends the
// lines of "S: ", and demands those of "C: ". At the end it closes the
// connection, after the client has, if the last line is "C: (closes)".
func play(t *testing.T, dialogue string) net.Conn {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		done <- hold(far, dialogue)
	}()
	t.Cleanup(func() {
		near.Close()
		require.NoError(t, <-done)
	})
	return near
}

func hold(conn net.Conn, dialogue string) error {
	in := bufio.NewReader(conn)
	said := ""
	for line := range strings.Lines(strings.Trim(dialogue, "\n\t")) {
		who, text, _ := strings.Cut(strings.TrimRight(strings.TrimLeft(line, "\t"), "\n"), ": ")
		if who == "S" {
			said += text + "\r\n"
			continue
		}
		if in.Buffered() > 0 && said != "" {
			return fmt.Errorf("the client does not wait for %q", said)
		}
		if _, err := io.WriteString(conn, said); err != nil {
			return fmt.Errorf("send %q: %w", said, err)
		}
		said = ""
		if text == "(closes)" {
			rest, _ := io.ReadAll(in)
			if len(rest) > 0 {
				return fmt.Errorf("the client said %q, and not that it closes", rest)
			}
			return nil
		}
		if got, err := in.ReadString('\n'); got != text+"\r\n" {
			return fmt.Errorf("the client said %q (%v), the dialogue has %q", got, err, text)
		}
	}
	_, err := io.WriteString(conn, said)
	return err
}

// greeted is the client of a dialogue that begins after the greeting.
func greeted(t *testing.T, dialogue string) *pop3client.Client {
	t.Helper()
	client, err := pop3client.New(t.Context(), play(t, "S: +OK ready\n"+strings.Trim(dialogue, "\n\t")), insecure)
	require.NoError(t, err)
	return client
}

func readAll(t *testing.T, body io.Reader, err error) string {
	t.Helper()
	require.NoError(t, err)
	octets, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(octets)
}

// The example of RFC 1939 section 10, with the verbs that it leaves out.
func TestDialogueRFC1939(t *testing.T) {
	ctx := t.Context()
	client, err := pop3client.New(ctx, play(t, `
		S: +OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>
		C: APOP mrose c4c9334bac560ecc979e58001b3e22fb
		S: +OK mrose's maildrop has 2 messages (320 octets)
		C: STAT
		S: +OK 2 320
		C: LIST
		S: +OK 2 messages (320 octets)
		S: 1 120
		S: 2 200
		S: .
		C: LIST 2
		S: +OK 2 200
		C: UIDL
		S: +OK
		S: 1 whqtswO00WBw418f9t5JxYwZ
		S: 2 QhdPYR:00WBw1Ph7x7
		S: .
		C: UIDL 2
		S: +OK 2 QhdPYR:00WBw1Ph7x7
		C: RETR 1
		S: +OK 120 octets
		S: Subject: dots
		S: 
		S: ..
		S: ...and more
		S: .
		C: TOP 1 0
		S: +OK
		S: Subject: dots
		S: 
		S: .
		C: DELE 1
		S: +OK message 1 deleted
		C: RSET
		S: +OK maildrop has 2 messages (320 octets)
		C: NOOP
		S: +OK
		C: XTND XLST
		S: +OK none of yours
		C: XMULTI a b
		S: +OK follows
		S: ..one
		S: two
		S: .
		C: QUIT
		S: +OK dewey POP3 server signing off (maildrop empty)
	`), pop3client.Options{})
	require.NoError(t, err)
	require.Equal(t, "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>", client.Greeting())
	require.NoError(t, client.APOP(ctx, "mrose", "tanstaaf"))
	count, octets, err := client.Stat(ctx)
	require.NoError(t, err)
	require.Equal(t, []int64{2, 320}, []int64{int64(count), octets})
	list, err := client.List(ctx)
	require.NoError(t, err)
	require.Equal(t, []pop3client.Message{{Number: 1, Size: 120}, {Number: 2, Size: 200}}, list)
	size, err := client.ListOne(ctx, 2)
	require.NoError(t, err)
	require.EqualValues(t, 200, size)
	list, err = client.UIDL(ctx)
	require.NoError(t, err)
	require.Equal(t, []pop3client.Message{{Number: 1, UIDL: "whqtswO00WBw418f9t5JxYwZ"}, {Number: 2, UIDL: "QhdPYR:00WBw1Ph7x7"}}, list)
	uidl, err := client.UIDLOne(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, "QhdPYR:00WBw1Ph7x7", uidl)
	body, err := client.Retr(ctx, 1)
	require.Equal(t, "Subject: dots\r\n\r\n.\r\n..and more\r\n", readAll(t, body, err))
	body, err = client.Top(ctx, 1, 0)
	require.Equal(t, "Subject: dots\r\n\r\n", readAll(t, body, err))
	require.NoError(t, client.Dele(ctx, 1))
	require.NoError(t, client.Rset(ctx))
	require.NoError(t, client.Noop(ctx))
	text, err := client.Command(ctx, "XTND XLST")
	require.NoError(t, err)
	require.Equal(t, "none of yours", text)
	text, octetsOf, err := client.Multi(ctx, "XMULTI a b")
	require.NoError(t, err)
	require.Equal(t, "follows", text)
	require.Equal(t, ".one\r\ntwo\r\n", string(octetsOf))
	require.NoError(t, client.Quit(ctx))
	require.NoError(t, client.Close(), "again")
	require.ErrorIs(t, client.Noop(ctx), pop3client.ErrClosed)
}

func TestDialogueOfAnEmptyMaildrop(t *testing.T) {
	client := greeted(t, `
		C: LIST
		S: +OK
		S: .
		C: UIDL
		S: +OK
		S: .
		C: RETR 1
		S: +OK an empty message
		S: .
		C: (closes)`)
	list, err := client.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	list, err = client.UIDL(t.Context())
	require.NoError(t, err)
	require.Empty(t, list)
	body, err := client.Retr(t.Context(), 1)
	require.Empty(t, readAll(t, body, err))
	require.NoError(t, body.Close())
	require.NoError(t, client.Close())
}

func TestDialogueCAPA(t *testing.T) {
	client := greeted(t, `
		C: CAPA
		S: +OK
		S: TOP
		S: UIDL
		S: sasl plain SCRAM-SHA-256
		S: LOGIN-DELAY 900 USER
		S: EXPIRE NEVER
		S: IMPLEMENTATION Shlemazle Plotz v302
		S: .
		C: CAPA
		S: +OK
		S: EXPIRE 60
		S: LOGIN-DELAY soon
		S: .
		C: CAPA
		S: -ERR what?
		C: (closes)`)
	found, err := client.Capabilities(t.Context())
	require.NoError(t, err)
	require.True(t, found.Has("top"))
	require.False(t, found.Has("STLS"))
	require.Equal(t, []string{"PLAIN", "SCRAM-SHA-256"}, found.SASL())
	require.Equal(t, "Shlemazle Plotz v302", found.Implementation())
	delay, ok := found.LoginDelay()
	require.True(t, ok)
	require.Equal(t, "15m0s", delay.String())
	days, ok := found.Expire()
	require.True(t, ok)
	require.Equal(t, pop3client.ExpireNever, days)

	found, err = client.Capabilities(t.Context())
	require.NoError(t, err)
	days, ok = found.Expire()
	require.True(t, ok)
	require.Equal(t, 60, days)
	_, ok = found.LoginDelay()
	require.False(t, ok)
	require.Empty(t, found.SASL())
	require.Empty(t, found.Implementation())
	require.NotContains(t, found, "TOP", "the capabilities of before")

	_, err = client.Capabilities(t.Context())
	require.ErrorAs(t, err, new(*pop3client.Error))
	require.NoError(t, client.Close())
}

// Commands that are sent ahead, and answers of any form.
func TestDialogueOfOnesOwn(t *testing.T) {
	client := greeted(t, `
		C: NOOP
		C: XODD
		C: TOP 1 0
		C: DELE 9
		S: +OK
		S: * odd
		S: +OK
		S: a
		S: .
		S: -ERR no such message
		C: (closes)`)
	ctx := t.Context()
	require.NoError(t, client.Send(ctx, "NOOP", "XODD", "TOP 1 0", "DELE 9"))
	require.ErrorIs(t, client.Rset(ctx), pop3client.ErrBusy)
	_, err := client.Hijack()
	require.ErrorIs(t, err, pop3client.ErrBusy)
	_, err = client.ReadStatus(ctx)
	require.NoError(t, err)
	line, err := client.ReadLine(ctx)
	require.NoError(t, err)
	require.Equal(t, "* odd", line)
	_, err = client.ReadStatus(ctx)
	require.NoError(t, err)
	body := client.ReadBody(ctx)
	_, err = client.ReadStatus(ctx)
	require.ErrorIs(t, err, pop3client.ErrBusy, "the body comes first")
	require.ErrorIs(t, client.Send(ctx, "NOOP"), pop3client.ErrBusy)
	require.ErrorIs(t, client.ReadBody(ctx).Close(), pop3client.ErrBusy)
	require.ErrorIs(t, client.Quit(ctx), pop3client.ErrBusy)
	require.Equal(t, "a\r\n", readAll(t, body, nil))
	_, err = client.ReadStatus(ctx)
	require.EqualError(t, err, `pop3client: answer: -ERR "no such message"`)
	require.NoError(t, client.Close())
}

func TestNothingIsSentThatIsWrong(t *testing.T) {
	client := greeted(t, `C: (closes)`)
	ctx := context.Background()
	for _, text := range []string{"a\rb", "a\nb", "a\x00b", "a\r\nQUIT"} {
		require.Error(t, client.Login(ctx, text, "secret"), "%q", text)
		err := client.Login(ctx, "demo", text)
		require.Error(t, err, "%q", text)
		require.NotContains(t, err.Error(), text, "it may be a secret")
		_, err = client.Command(ctx, text)
		require.Error(t, err, "%q", text)
		_, _, err = client.Multi(ctx, text)
		require.Error(t, err, "%q", text)
		require.Error(t, client.Send(ctx, "NOOP", text), "%q", text)
		require.Error(t, client.APOP(ctx, text, "secret"), "%q", text)
	}
	for _, n := range []int{0, -1} {
		require.ErrorContains(t, client.Dele(ctx, n), "is not a number")
		_, err := client.Retr(ctx, n)
		require.ErrorContains(t, err, "is not a number")
		_, err = client.ListOne(ctx, n)
		require.ErrorContains(t, err, "is not a number")
		_, err = client.UIDLOne(ctx, n)
		require.ErrorContains(t, err, "is not a number")
	}
	_, err := client.Top(ctx, 1, -1)
	require.ErrorContains(t, err, "is not a number")
	require.ErrorContains(t, client.APOP(ctx, "demo", "secret"), "does not offer it")
	require.NoError(t, client.Send(ctx))
	require.ErrorIs(t, client.Send(ctx, make([]string, pop3client.MaxAhead+1)...), pop3client.ErrBusy)
	require.ErrorContains(t, client.Send(ctx, "NOOP", strings.Repeat("x", 254)), "255 octets at most")
	require.Error(t, client.Auth(ctx, pop3client.Plain("", "de\x00mo", "secret")))
	require.NoError(t, client.Close())
}

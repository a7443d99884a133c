package lmtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// story is what hooks hear, a line each.
type story struct{ lines []string }

func (s *story) tell(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *story) hooks() *lmtp.Hooks {
	return &lmtp.Hooks{
		Reject:  func(_ context.Context, _ net.Conn, err error) { s.tell("reject: %v", err) },
		Connect: func(_ context.Context, c *lmtp.Conn) { s.tell("connect") },
		TLS:     func(context.Context, *lmtp.Conn, tls.ConnectionState) { s.tell("tls") },
		Recipient: func(_ context.Context, c *lmtp.Conn, r lmtp.RecipientInfo) {
			s.tell("recipient from %q to %q of %q, hello %q: %v", r.From, r.Address, r.User, c.Hello(), r.Err)
		},
		Message: func(_ context.Context, _ *lmtp.Conn, m lmtp.MessageInfo) {
			for _, r := range m.Recipients {
				s.tell("message of %d for %q: %s %v", m.Size, r.Address, r.Message.ID, r.Err)
			}
		},
		Fault: func(_ context.Context, _ *lmtp.Conn, err error) { s.tell("fault: %v", err) },
		Close: func(_ context.Context, _ *lmtp.Conn, i lmtp.SessionInfo) {
			s.tell("close: %s, %v, %d messages, %d recipients, %d refused", i.Reason, i.Err, i.Messages, i.Recipients, i.Refused)
		},
	}
}

func TestHooks(t *testing.T) {
	r := newServer(lmtp.LMTP)
	withTLS(t)(r)
	var s story
	r.Hooks = s.hooks()
	r.store.Quota = 5
	d, over := r.pipe(t)
	d.startTLS(r)
	d.play(`
		C: MAIL FROM:<sender@example.net>
		S: 250 *
		C: RCPT TO:<alice@example.org>
		S: 250 *
		C: RCPT TO:<nobody@example.org>
		S: 550 *
		C: RCPT TO:<bob@example.org>
		S: 250 *
		C: DATA
		S: 354 *
		C: .x
		C: .
		S: 250 *
		S: 250 *
		C: MAIL FROM:<>
		S: 250 *
		C: RCPT TO:<alice@example.org>
		S: 250 *
		C: DATA
		S: 354 *
		C: xxx
		C: .
		S: 552 *
		C: QUIT
		S: 221 *
		S: EOF
	`)
	require.NoError(t, <-over)
	require.Equal(t, []string{
		"connect", "tls",
		`recipient from "sender@example.net" to "alice@example.org" of "alice", hello "client.example": <nil>`,
		`recipient from "sender@example.net" to "nobody@example.org" of "", hello "client.example": no such user`,
		`recipient from "sender@example.net" to "bob@example.org" of "bob", hello "client.example": <nil>`,
		`message of 3 for "alice@example.org": m1 <nil>`,
		`message of 3 for "bob@example.org": m2 <nil>`,
		`recipient from "" to "alice@example.org" of "alice", hello "client.example": <nil>`,
		`message of 5 for "alice@example.org":  memory: append: mailbox over quota: 3 octets of 5 are taken`,
		"close: quit, <nil>, 2 messages, 2 recipients, 2 refused",
	}, s.lines)
}

// Admit turns away, in its own words or not, and its refusals are told.
func TestAdmit(t *testing.T) {
	for want, err := range map[string]error{
		"554 5.7.1 Not you\r\n":                              &lmtp.Error{Code: 554, Enhanced: "5.7.1", Text: "Not\r\n you"},
		"451 4.3.0 Temporary failure, try again later\r\n":   errors.New("secret"),
		"451 Code and class are mended\r\n":                  &lmtp.Error{Code: 200, Enhanced: "2.0.0", Text: "Code and class are mended"},
		"554 " + strings.Repeat("x", 476) + "\r\n":           &lmtp.Error{Code: 554, Text: strings.Repeat("x", 1000)},
		"550 5.1.1 No such user here\r\n":                    mailbox.ErrNoSuchUser,
		"451 4.3.0 This takes too long, try again later\r\n": context.DeadlineExceeded,
		"552 5.2.2 Mailbox is full\r\n":                      fmt.Errorf("wrapped: %w", mailbox.ErrOverQuota),
		"552 5.3.4 Message is too large\r\n":                 mailbox.ErrTooLarge,
		"554 5.3.0 Cannot be delivered\r\n":                  mailbox.ErrPermanent,
	} {
		r := newServer(lmtp.SMTP)
		var s story
		r.Hooks = s.hooks()
		r.Admit = func(context.Context, net.Conn) error { return err }
		conn := &script{input: "EHLO x\r\n"}
		require.ErrorIs(t, r.ServeConn(t.Context(), conn), err)
		require.Equal(t, want, conn.out.String())
		require.Equal(t, []string{"reject: " + err.Error()}, s.lines)
	}
}

// A panic of a host's code ends its session, and no other, wherever it is; and is
// told.
func TestPanics(t *testing.T) {
	const talk = "EHLO x\r\n" + envelope + "DATA\r\nx\r\n.\r\nQUIT\r\n"
	for name, change := range map[string]func(*running){
		"directory":    func(r *running) { r.Directory = directoryFunc(func(string) (string, error) { panic("on purpose") }) },
		"appender":     func(r *running) { r.Appender = appenderFunc(func() { panic("on purpose") }) },
		"admit":        func(r *running) { r.Admit = func(context.Context, net.Conn) error { panic("on purpose") } },
		"connect hook": func(r *running) { r.Hooks.Connect = func(context.Context, *lmtp.Conn) { panic("on purpose") } },
		"recipient hook": func(r *running) {
			r.Hooks.Recipient = func(context.Context, *lmtp.Conn, lmtp.RecipientInfo) { panic("on purpose") }
		},
		"message hook": func(r *running) {
			r.Hooks.Message = func(context.Context, *lmtp.Conn, lmtp.MessageInfo) { panic("on purpose") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			var s story
			r.Hooks = s.hooks()
			change(r)
			conn := &script{input: talk}
			require.ErrorContains(t, r.ServeConn(t.Context(), conn), "on purpose")
			require.True(t, strings.HasSuffix(conn.out.String(), "421 4.3.0 Internal error, try again later\r\n"), conn.out.String())
			require.Contains(t, s.lines, "fault: lmtp: panic: on purpose")
			require.Contains(t, s.lines[len(s.lines)-1], "close: panic, ")
		})
	}
	r := newServer(lmtp.SMTP)
	r.Hooks = &lmtp.Hooks{Close: func(context.Context, *lmtp.Conn, lmtp.SessionInfo) { panic("on purpose") }}
	require.NoError(t, r.ServeConn(t.Context(), &script{input: talk}))
	require.NoError(t, r.Shutdown(t.Context()))
}

// The size is that of the whole message, of which the store has read a part, or of
// which the rest is too much.
func TestTheSizeOfARefusedMessage(t *testing.T) {
	for name, change := range map[string]func(*running){
		"too large":    func(r *running) { r.MaxMessageSize = 10 },
		"store failed": func(r *running) { r.Appender = failing(mailbox.ErrPermanent) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			var s story
			r.Hooks = s.hooks()
			change(r)
			line := strings.Repeat("x", 998) + "\r\n"
			r.ServeConn(t.Context(), &script{input: "EHLO x\r\n" + envelope + "DATA\r\n" + strings.Repeat(line, 20) + ".\r\n"})
			require.Contains(t, strings.Join(s.lines, "\n"), `message of 20000 for "alice@example.org"`)
		})
	}
}

// A message that the store has is acknowledged whatever the host does when it hears
// of it: or else the sender sends it again, for ever.
func TestAPanicAfterTheDelivery(t *testing.T) {
	for name, fail := range map[string]func(){"panic": func() { panic("on purpose") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			r := newServer(lmtp.SMTP)
			r.Hooks = &lmtp.Hooks{Message: func(context.Context, *lmtp.Conn, lmtp.MessageInfo) { fail() }}
			conn := &script{input: "EHLO x\r\n" + envelope + "DATA\r\nx\r\n.\r\n"}
			over := make(chan struct{})
			go func() {
				defer close(over)
				r.ServeConn(t.Context(), conn)
			}()
			<-over
			require.Len(t, r.mail(t, "alice"), 1)
			require.Contains(t, conn.out.String(), "\r\n250 2.0.0 OK: delivered as ")
		})
	}
}

// An error of the store that closes, closes: after the answers for all recipients.
func TestAStoreClosesTheConnection(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := newServer(protocol)
		var s story
		r.Hooks = s.hooks()
		r.Appender = failing(&lmtp.Error{Code: 521, Text: "Go away", Close: true})
		conn := &script{input: helloVerb(protocol) + " x\r\n" + envelope + "RCPT TO:<bob@example.org>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n"}
		require.Error(t, r.ServeConn(t.Context(), conn))
		answers := map[lmtp.Protocol]string{
			lmtp.LMTP: "521 <alice@example.org> Go away\r\n521 <bob@example.org> Go away\r\n",
			lmtp.SMTP: "521 Go away\r\n",
		}[protocol]
		require.True(t, strings.HasSuffix(conn.out.String(), answers), conn.out.String())
		require.Contains(t, s.lines[len(s.lines)-1], "close: refused, ")
	})
}

// The log has a line for each session and each delivery, and never more than one
// in ten seconds for what a flood makes happen.
func TestLog(t *testing.T) {
	var log bytes.Buffer
	r := newServer(lmtp.LMTP)
	r.Logger = slog.New(slog.NewTextHandler(&log, nil))
	r.MaxRefused = -1
	conn := &script{input: "LHLO client.example\r\n" + envelope + strings.Repeat("RCPT TO:<nobody@x>\r\n", 500) +
		"RCPT TO:<bob@x>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"}
	require.NoError(t, r.ServeConn(t.Context(), conn))
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	require.Len(t, lines, 4, log.String())
	require.Regexp(t, `level=INFO msg="lmtp: recipient refused" conn=\w{10} protocol=LMTP remote=script from=a@example.net to=nobody@x error="no such user" more=0$`, lines[0])
	require.Regexp(t, `level=INFO msg="lmtp: delivered" conn=\w{10} protocol=LMTP remote=script id=\w{16} from=a@example.net to=alice@example.org user=alice message=m1 size=3$`, lines[1])
	require.Regexp(t, `to=bob@x user=bob message=m2 size=3$`, lines[2])
	require.Regexp(t, `level=INFO msg="lmtp: session" conn=\w{10} protocol=LMTP remote=script hello=client.example tls=false reason=quit messages=1 recipients=2 refused=500 in=\d+ out=\d+ duration=`, lines[3])

	// A probe that says nothing leaves no line.
	log.Reset()
	r.ServeConn(t.Context(), &script{})
	require.Empty(t, log.String())
}

// Values of ConnContext are in the contexts of the host.
func TestConnContext(t *testing.T) {
	type key struct{}
	r := newServer(lmtp.SMTP)
	r.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return context.WithValue(ctx, key{}, "here") }
	seen := 0
	see := func(ctx context.Context) {
		if ctx.Value(key{}) == "here" {
			seen++
		}
	}
	r.Hooks = &lmtp.Hooks{
		Connect:   func(ctx context.Context, _ *lmtp.Conn) { see(ctx) },
		Recipient: func(ctx context.Context, _ *lmtp.Conn, _ lmtp.RecipientInfo) { see(ctx) },
		Message:   func(ctx context.Context, _ *lmtp.Conn, _ lmtp.MessageInfo) { see(ctx) },
		Close:     func(ctx context.Context, _ *lmtp.Conn, _ lmtp.SessionInfo) { see(ctx) },
	}
	require.NoError(t, r.ServeConn(t.Context(), &script{input: "EHLO x\r\n" + envelope + "DATA\r\nx\r\n.\r\nQUIT\r\n"}))
	require.Equal(t, 4, seen)
}

// Conn.Close ends a session in the middle of a message, which is not delivered.
func TestConnClose(t *testing.T) {
	r := newServer(lmtp.SMTP)
	conns := make(chan *lmtp.Conn, 1)
	r.Hooks = &lmtp.Hooks{Connect: func(_ context.Context, c *lmtp.Conn) { conns <- c }}
	d, over := r.pipe(t)
	d.hello(lmtp.SMTP)
	d.play(toAlice + "C: DATA\nS: 354 *\nC: half")
	(<-conns).Close()
	require.ErrorContains(t, <-over, "closed by the host")
	require.Empty(t, r.mail(t, "alice"))
}

// The context of ServeConn ends the session.
func TestContextEndsTheSession(t *testing.T) {
	r := newServer(lmtp.SMTP)
	ctx, cancel := context.WithCancel(t.Context())
	near, far := net.Pipe()
	defer near.Close()
	over := make(chan error, 1)
	go func() { over <- r.ServeConn(ctx, far) }()
	near.Read(make([]byte, 100))
	cancel()
	select {
	case err := <-over:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}

func TestWhatAServerNeeds(t *testing.T) {
	for want, change := range map[string]func(*lmtp.Server){
		"Appender is nil":         func(s *lmtp.Server) { s.Appender = nil },
		"Directory is nil":        func(s *lmtp.Server) { s.Directory = nil },
		"there is a command NOOP": func(s *lmtp.Server) { s.Commands = []lmtp.Command{{Verb: "NOOP"}} },
		`"auth" is no verb`:       func(s *lmtp.Server) { s.Commands = []lmtp.Command{{Verb: "auth"}} },
		"XAUTH needs Run":         func(s *lmtp.Server) { s.Commands = []lmtp.Command{{Verb: "XAUTH"}} },
	} {
		r := newServer(lmtp.SMTP)
		change(r.Server)
		require.ErrorContains(t, r.ServeConn(t.Context(), &script{}), want)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.ErrorContains(t, r.Serve(listener), want)
		require.ErrorContains(t, listener.Close(), "use of closed")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorContains(t, newServer(lmtp.SMTP).ServeTLS(listener), "TLSConfig")
}

// A host's own command, with a line that is no command.
func TestOwnCommand(t *testing.T) {
	r := newServer(lmtp.SMTP)
	r.Commands = []lmtp.Command{{Verb: "AUTH", Keyword: "AUTH PLAIN", Run: func(_ context.Context, c *lmtp.Conn, arguments string) (lmtp.Reply, error) {
		if arguments != "PLAIN" {
			return lmtp.Reply{}, &lmtp.Error{Code: 504, Enhanced: "5.5.4", Text: "PLAIN is there"}
		}
		line, err := c.Prompt(lmtp.Reply{Code: 334})
		if err != nil {
			return lmtp.Reply{}, err
		}
		return lmtp.Reply{Code: 235, Enhanced: "2.7.0", Text: "hello " + line}, nil
	}}}
	d, over := r.pipe(t)
	d.play("S: 220 *\nC: EHLO x\nS: 250-*\nS: 250-PIPELINING\nS: 250-8BITMIME\nS: 250-SMTPUTF8\nS: 250-ENHANCEDSTATUSCODES\n" +
		"S: 250-CHUNKING\nS: 250-SIZE 100000\nS: 250-LIMITS RCPTMAX=1000\nS: 250 AUTH PLAIN")
	d.play(`
		C: AUTH X
		S: 504 5.5.4 PLAIN is there
		C: auth PLAIN
		S: 334*
		C: NOOP
		S: 235 2.7.0 hello NOOP
		C: MAIL FROM:<a@b> AUTH=<>
		S: 250 *
		C: QUIT
		S: 221 *
		S: EOF
	`)
	require.NoError(t, <-over)

	// The client goes away in the middle of it.
	d, over = r.pipe(t)
	d.hello(lmtp.SMTP)
	d.play("C: AUTH PLAIN\nS: 334*")
	d.conn.Close()
	require.Error(t, <-over)
}

// A command may wrap the error of Prompt: what is left of a line that was too long
// is not taken for commands.
func TestOwnCommandWrapsItsError(t *testing.T) {
	r := newServer(lmtp.SMTP)
	r.Commands = []lmtp.Command{{Verb: "AUTH", Run: func(_ context.Context, c *lmtp.Conn, _ string) (lmtp.Reply, error) {
		_, err := c.Prompt(lmtp.Reply{Code: 334})
		return lmtp.Reply{}, fmt.Errorf("auth: %w", err)
	}}}
	conn := &script{input: "EHLO x\r\nAUTH\r\n" + strings.Repeat("x", 8192) + "\r\nNOOP\r\n"}
	require.ErrorContains(t, r.ServeConn(t.Context(), conn), "line too long")
	require.True(t, strings.HasSuffix(conn.out.String(), "334 \r\n500 5.5.2 Line is too long\r\n"), conn.out.String())
}

package lmtp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

func TestGreeting(t *testing.T) {
	r := start(t, lmtp.LMTP, withTLS(t))
	dial(t, r.address).play(`
		S: 220 mx.example.org LMTP
		C: EHLO client.example
		S: 500 5.5.1 This is an LMTP server, use LHLO
		C: HELO client.example
		S: 500 5.5.1 This is an LMTP server, use LHLO
		C: LHLO
		S: 501 5.5.4 Say your name after LHLO
		R: "LHLO client\rBcc: x\r\n"
		S: 501 5.5.4 Say your name after LHLO
		C: LHLO ` + strings.Repeat("x", 256) + `
		S: 501 5.5.4 Say your name after LHLO
		C: LHLO client.example
		S: 250-mx.example.org
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250-STARTTLS
		S: 250-SIZE 100000
		S: 250 LIMITS RCPTMAX=1000
		C: QUIT
		S: 221 2.0.0 Bye
		S: EOF
	`)
	r = start(t, lmtp.SMTP, func(r *running) { r.MaxMessageSize, r.MaxRecipients = -1, -1 })
	dial(t, r.address).play(`
		S: 220 mx.example.org ESMTP
		C: LHLO client.example
		S: 500 5.5.1 This is an SMTP server, use EHLO
		C: HELO client.example
		S: 250 mx.example.org
		C: EHLO client.example
		S: 250-mx.example.org
		S: 250-PIPELINING
		S: 250-8BITMIME
		S: 250-SMTPUTF8
		S: 250-ENHANCEDSTATUSCODES
		S: 250-CHUNKING
		S: 250 SIZE
	`)
}

func TestPipelining(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		d := dial(t, r.address)
		d.hello(protocol)
		for range 2 {
			d.play(`
				C: MAIL FROM:<sender@example.net> BODY=8BITMIME SIZE=20
				C: RCPT TO:<alice@example.org>
				C: DATA
				S: 250 2.1.0 *
				S: 250 2.1.5 *
				S: 354 *
				C: Subject: hi
				C:
				C: ..
				C: .
				C: NOOP
			` + ok(protocol) + `
				S: 250 2.0.0 *
			`)
		}
		d.play("C: QUIT\nS: 221 *\nS: EOF")
		require.Equal(t, []string{"Subject: hi\r\n\r\n.\r\n", "Subject: hi\r\n\r\n.\r\n"}, r.mail(t, "alice"))
	})
}

func TestUnknownRecipientIsRefusedAtRCPT(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		d := dial(t, r.address)
		d.hello(protocol)
		d.play(`
			C: MAIL FROM:<>
			S: 250 2.1.0 *
			C: RCPT TO:<nobody@example.org>
			S: 550 5.1.1 No such user here
			C: DATA
			S: 503 5.5.1 *
			C: RCPT TO:<ALICE@example.org>
			S: 250 2.1.5 *
			C: DATA
			S: 354 *
			C: x
			C: .
		` + strings.Replace(ok(protocol), "alice", "ALICE", 1))
		require.Equal(t, []string{"x\r\n"}, r.mail(t, "alice"))
		require.EqualValues(t, 1, r.Stats().RefusedRecipients)
	})
}

type directoryFunc func(address string) (string, error)

func (f directoryFunc) Lookup(_ context.Context, address string) (string, error) { return f(address) }

func TestDirectoryFailureIsTemporary(t *testing.T) {
	r := start(t, lmtp.SMTP, func(r *running) {
		r.Directory = directoryFunc(func(string) (string, error) { return "", errors.New("secret detail") })
	})
	d := dial(t, r.address)
	d.hello(lmtp.SMTP)
	d.play(`
		C: MAIL FROM:<sender@example.net>
		S: 250 2.1.0 *
		C: RCPT TO:<alice@example.org>
		S: 451 4.3.0 Temporary failure, try again later
	`)
}

const toBoth = `
	C: MAIL FROM:<sender@example.net>
	S: 250 2.1.0 *
	C: RCPT TO:<alice@example.org>
	S: 250 2.1.5 *
	C: RCPT TO:<bob@example.org>
	S: 250 2.1.5 *
	C: DATA
	S: 354 *
	C: x
	C: .
`

// Bob's mailbox has no room for the message.
func TestSomeRecipientsFail(t *testing.T) {
	bobIsFull := func(r *running) {
		r.store.Quota = 10
		_, err := mailbox.Deliver(t.Context(), r.store, mailbox.To("bob"), strings.NewReader("12345678"))
		require.NoError(t, err)
	}
	t.Run("LMTP answers for each", func(t *testing.T) {
		r := start(t, lmtp.LMTP, bobIsFull)
		d := dial(t, r.address)
		d.hello(lmtp.LMTP)
		d.play(toBoth + `
			S: 250 2.0.0 <alice@example.org> OK: delivered as *
			S: 552 5.2.2 <bob@example.org> Mailbox is full
		`)
		require.Equal(t, []string{"x\r\n"}, r.mail(t, "alice"))
		require.Equal(t, []string{"12345678\r\n"}, r.mail(t, "bob"))
	})
	t.Run("SMTP says that it failed if some never get it", func(t *testing.T) {
		r := start(t, lmtp.SMTP, bobIsFull)
		d := dial(t, r.address)
		d.hello(lmtp.SMTP)
		d.play(toBoth + `
			S: 552 5.2.2 Mailbox is full
		`)
		require.Equal(t, []string{"x\r\n"}, r.mail(t, "alice"))
	})
	t.Run("SMTP asks to try again if some may get it later", func(t *testing.T) {
		r := start(t, lmtp.SMTP, func(r *running) {
			r.Appender = storeFunc(func(_ mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
				_, err := io.Copy(io.Discard, body)
				return []mailbox.Result{{}, {Err: mailbox.ErrTemporary}}, err
			})
		})
		d := dial(t, r.address)
		d.hello(lmtp.SMTP)
		d.play(toBoth + `
			S: 451 4.3.0 Temporary failure, try again later
		`)
	})
	t.Run("SMTP has a final reply if no recipient gets it", func(t *testing.T) {
		r := start(t, lmtp.SMTP, func(r *running) { r.store.Quota = 1 })
		d := dial(t, r.address)
		d.hello(lmtp.SMTP)
		d.play(toBoth + `
			S: 552 5.2.2 Mailbox is full
		`)
	})
}

func TestOneUserByTwoAddressesGetsOneCopy(t *testing.T) {
	r := start(t, lmtp.LMTP, func(r *running) { r.NoTrace = false })
	d := dial(t, r.address)
	d.hello(lmtp.LMTP)
	d.play(`
		C: MAIL FROM:<sender@example.net>
		S: 250 2.1.0 *
		C: RCPT TO:<alice@example.org>
		S: 250 2.1.5 *
		C: RCPT TO:<alice@example.com>
		S: 250 2.1.5 *
		C: RCPT TO:<alice@example.org>
		S: 250 2.1.5 *
		C: DATA
		S: 354 *
		C: x
		C: .
		S: 250 2.0.0 <alice@example.org> OK: delivered as *
		S: 250 2.0.0 <alice@example.com> OK: delivered as *
		S: 250 2.0.0 <alice@example.org> OK: delivered as *
	`)
	mail := r.mail(t, "alice")
	require.Len(t, mail, 1)
	require.Contains(t, mail[0], "\r\nDelivered-To: alice@example.org\r\n")
	require.NotContains(t, mail[0], "for <", "there are other recipients")
}

func TestTooLarge(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		large := strings.Repeat(strings.Repeat("x", 98)+"\r\n", 1001) // 100,100 octets
		const refused = "S: 552 5.3.4 *\n"
		d := dial(t, r.address)
		d.hello(protocol)
		d.play("C: MAIL FROM:<sender@example.net> SIZE=100001\n" + refused)
		d.play("C: MAIL FROM:<sender@example.net> SIZE=99999999999999999999\n" + refused)
		d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(large) + "C: .\n" + refused)
		d.play(toAlice + quoted("BDAT 100100 LAST\r\n"+large) + refused)
		d.play(toAlice + "C: DATA\nS: 354 *\nC: small\nC: .\n" + ok(protocol))
		require.Equal(t, []string{"small\r\n"}, r.mail(t, "alice"))
	})
	t.Run("LMTP answers for each", func(t *testing.T) {
		r := start(t, lmtp.LMTP, func(r *running) { r.MaxMessageSize = 10 })
		d := dial(t, r.address)
		d.hello(lmtp.LMTP)
		const toTwo = toAlice + "C: RCPT TO:<bob@example.org>\nS: 250 *\n"
		const refused = "S: 552 5.3.4 <alice@example.org> *\nS: 552 5.3.4 <bob@example.org> *\n"
		d.play(toTwo + "C: DATA\nS: 354 *\nC: 123456789\nC: .\n" + refused)
		d.play(toTwo + "R: \"BDAT 11 LAST\\r\\n12345678901\"\n" + refused)
		d.play(toTwo + "R: \"BDAT 11\\r\\n12345678901BDAT 0 LAST\\r\\n\"\nS: 250 2.0.0 *\n" + refused)
		d.play(toAlice + "C: DATA\nS: 354 *\nC: 12345678\nC: .\n" + ok(lmtp.LMTP))
		require.Equal(t, []string{"12345678\r\n"}, r.mail(t, "alice"), "just not too large")
		require.Empty(t, r.mail(t, "bob"))
	})
}

// A command of more than 8,192 octets is none. Lines of a message may be of any
// length: see TestLongLines.
func TestLineTooLong(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		d := dial(t, r.address)
		d.hello(protocol)
		d.play(quoted("NOOP "+strings.Repeat("x", 8192-7)+"\r\n") + "S: 250 2.0.0 OK")
		d.play(quoted("NOOP "+strings.Repeat("x", 8192-6)+"\r\n") + "S: 500 5.5.2 Line is too long\nS: EOF")
	})
}

func TestLoop(t *testing.T) {
	const refused = "554 5.4.6 "
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		loop := received(101) + "\r\nbody\r\n"
		fine := received(100) + "Subject: x\r\n\r\n" + received(50)
		d := dial(t, r.address)
		d.hello(protocol)
		d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(loop) + "C: .\nS: " + refused + "*Too many hops: the message is in a loop\n")
		d.play(toAlice + quoted("BDAT "+itoa(len(loop))+" LAST\r\n"+loop) + "S: " + refused + "*\n")
		d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(fine) + "C: .\n" + ok(protocol))
		require.Equal(t, []string{fine}, r.mail(t, "alice"))
	})
}

// A panic in the store is a reply and a line in the log, and not the end of the
// program.
func TestStorePanics(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		var log bytes.Buffer
		r := start(t, protocol, func(r *running) {
			r.Appender = panickingStore{}
			r.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for _, message := range []string{"C: DATA\nS: 354 *\nC: x\nC: .\n", "R: \"BDAT 3 LAST\\r\\nx\\r\\n\"\n"} {
			d := dial(t, r.address)
			d.hello(protocol)
			d.play(toAlice + message + "S: 421 4.3.0 Internal error, try again later")
			d.hangUp()
		}
		require.NoError(t, r.Shutdown(t.Context()))
		require.Equal(t, 2, strings.Count(log.String(), `level=ERROR msg="lmtp: panic in a session"`), log.String())
	})
}

type panickingStore struct{}

func (panickingStore) Append(context.Context, mailbox.Delivery, io.Reader) ([]mailbox.Result, error) {
	panic("on purpose")
}

// storeFunc is a store of one function.
type storeFunc func(mailbox.Delivery, io.Reader) ([]mailbox.Result, error)

func (f storeFunc) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	return f(delivery, body)
}

// failing is a store that reads ten octets of a message and fails.
func failing(err error) storeFunc {
	return func(_ mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
		io.CopyN(io.Discard, body, 10)
		return nil, err
	}
}

// The error map of the package comment. The rest of a message that the store has
// not read is not taken for commands.
func TestStoreFails(t *testing.T) {
	wrapped := func(err error) error { return fmt.Errorf("secret of the store: %w", err) }
	for _, test := range []struct {
		err   error
		reply string
	}{
		{wrapped(mailbox.ErrNoSuchUser), "550 5.1.1 <alice@example.org> No such user here"},
		{wrapped(mailbox.ErrOverQuota), "552 5.2.2 <alice@example.org> Mailbox is full"},
		{wrapped(mailbox.ErrTooLarge), "552 5.3.4 <alice@example.org> Message is too large"},
		{wrapped(syscall.ENOSPC), "452 4.3.1 <alice@example.org> Disk is full, try again later"},
		{wrapped(mailbox.ErrPermanent), "554 5.3.0 <alice@example.org> Cannot be delivered"},
		{wrapped(context.DeadlineExceeded), "451 4.3.0 <alice@example.org> This takes too long, try again later"},
		{wrapped(mailbox.ErrTemporary), "451 4.3.0 <alice@example.org> Temporary failure, try again later"},
		{errors.New("anything"), "451 4.3.0 <alice@example.org> Temporary failure, try again later"},
		{wrapped(&lmtp.Error{Code: 550, Enhanced: "5.7.1", Text: "Spam\r\n250 OK"}), "550 5.7.1 <alice@example.org> Spam250 OK"},
		{&lmtp.Error{Code: 250, Enhanced: "2.0.0", Text: "Fine"}, "451 <alice@example.org> Fine"},
		{&lmtp.Error{Code: 554, Text: strings.Repeat("é", 300)}, "554 <alice@example.org> " + strings.Repeat("é", 230)},
	} {
		r := start(t, lmtp.LMTP, func(r *running) { r.Appender = failing(test.err) })
		d := dial(t, r.address)
		d.hello(lmtp.LMTP)
		body := strings.Repeat("a line of text\r\n", 5000)
		d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(body) + "C: .\nS: " + test.reply + "\n")
		d.play(toAlice + quoted("BDAT "+itoa(len(body))+" LAST\r\n"+body) + "S: " + test.reply + "\n")
		d.play("C: NOOP\nS: 250 *")
	}
}

// Nothing is acknowledged because of a store that has its results wrong, or that
// does not care whether the message came to its end.
func TestStoreThatIsWrong(t *testing.T) {
	careless := func(delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
		io.Copy(io.Discard, body)
		return make([]mailbox.Result, len(delivery.Recipients)), nil
	}
	none := func(mailbox.Delivery, io.Reader) ([]mailbox.Result, error) { return nil, nil }
	many := func(mailbox.Delivery, io.Reader) ([]mailbox.Result, error) { return make([]mailbox.Result, 2), nil }
	small, large := "x\r\n", strings.Repeat("a line of text\r\n", 10_000)
	for _, test := range []struct {
		store         storeFunc
		message, want string
	}{
		{careless, small, "250 2.0.0 "},
		{careless, large, "552 5.3.4 "},
		{none, small, "451 4.3.0 "},
		{many, small, "451 4.3.0 "},
	} {
		d := dial(t, start(t, lmtp.LMTP, func(r *running) { r.Appender = test.store }).address)
		d.hello(lmtp.LMTP)
		d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(test.message) + "C: .\nS: " + test.want + "<alice@example.org> *\n")
		d.play("C: NOOP\nS: 250 *")
	}
}

// RFC 5321 section 4.5.1: postmaster needs no domain. Over LMTP others need none
// either.
func TestAddressesWithoutDomain(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		d := dial(t, start(t, protocol).address)
		d.hello(protocol)
		if protocol == lmtp.LMTP {
			d.play("C: MAIL FROM:<root>\nS: 250 *\nC: RCPT TO:<alice>\nS: 250 *\nC: RCPT TO:<nobody>\nS: 550 5.1.1 *")
		} else {
			d.play("C: MAIL FROM:<root>\nS: 553 5.1.7 *\nC: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<alice>\nS: 553 5.1.3 *")
		}
		d.play("C: RCPT TO:<postmaster>\nS: 250 *\nC: RCPT TO:<Postmaster>\nS: 250 *\nC: RCPT TO:postmaster\nS: 250 *")
	})
	d := dial(t, start(t, lmtp.SMTP, func(r *running) { r.Directory = directory{"alice"} }).address)
	d.hello(lmtp.SMTP)
	d.play("C: MAIL FROM:<>\nS: 250 *\nC: RCPT TO:<postmaster>\nS: 550 5.1.1 *")
}

func TestAddresses(t *testing.T) {
	r := start(t, lmtp.LMTP, func(r *running) { r.NoTrace = false })
	d := dial(t, r.address)
	d.hello(lmtp.LMTP)
	d.play(`
		C: MAIL FROM:<zoë@example.net>
		S: 553 5.6.7 That address needs SMTPUTF8
		R: "MAIL FROM:<\"a\rBcc: b\"@example.net>\r\n"
		S: 553 5.1.7 *
		R: "MAIL FROM:<\xff@example.net> SMTPUTF8\r\n"
		S: 553 5.1.7 *
		C: MAIL FROM:<sender@example.net>
		S: 250 2.1.0 *
		C: RCPT TO:<zoë@example.org>
		S: 553 5.6.7 That address needs SMTPUTF8
		C: RSET
		S: 250 2.0.0 *
		C: MAIL FROM:<"a \"b\""@example.net> SMTPUTF8
		S: 250 2.1.0 *
		C: RCPT TO:<ZOË@example.org>
		S: 250 2.1.5 *
		C: DATA
		S: 354 *
		C: .
		S: 250 2.0.0 <ZOË@example.org> OK: delivered as *
	`)
	mail := r.mail(t, "zoë@example.org")
	require.Len(t, mail, 1)
	require.Regexp(t, `^Return-Path: <"a \\"b\\""@example\.net>\r\n`+
		`Delivered-To: ZOË@example\.org\r\n`+
		`Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n`+
		`\tby mx\.example\.org with UTF8LMTP id [A-Z2-7]{16}\r\n`+
		`\tfor <ZOË@example\.org>;\r\n`+
		`\t\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n$`, mail[0])
}

// A client that idles is told to go; a message that is under way is finished.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newServer(lmtp.LMTP)
		idle, idleOver := r.pipe(t)
		busy, busyOver := r.pipe(t)
		idle.hello(lmtp.LMTP)
		busy.hello(lmtp.LMTP)
		busy.play(toAlice + "C: DATA\nS: 354 *\nC: first line")
		synctest.Wait()

		stopped := make(chan error, 1)
		go func() { stopped <- r.Shutdown(t.Context()) }()
		synctest.Wait()
		idle.play("S: 421 4.3.2 *\nS: EOF")
		busy.play("C: last line\nC: .\n" + ok(lmtp.LMTP) + "S: 421 4.3.2 *\nS: EOF")
		require.NoError(t, <-stopped)
		require.ErrorIs(t, <-idleOver, lmtp.ErrServerClosed)
		require.ErrorIs(t, <-busyOver, lmtp.ErrServerClosed)
		require.Equal(t, []string{"first line\r\nlast line\r\n"}, r.mail(t, "alice"))
	})
}

func TestShutdownCutsOffUnfinishedMessages(t *testing.T) {
	r := start(t, lmtp.LMTP)
	d := dial(t, r.address)
	d.hello(lmtp.LMTP)
	d.play(toAlice + "C: DATA\nS: 354 *\nC: first line")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Shutdown(ctx), context.Canceled)
	_, err := d.conn.Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.Empty(t, r.mail(t, "alice"))
}

package clients

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/pop3/pop3client"
)

// sender is an LMTP or SMTP client that sends a message without changing an
// octet, apart from dot-stuffing.
type sender struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	lmtp bool
	caps map[string]bool
}

// from is the envelope's sender in all deliveries.
const from = "envelope-sender@corpus.example"

// deliver hands messages to the MDA over LMTP on one connection.
func (m *mda) deliver(t *testing.T, user string, messages []message) {
	t.Helper()
	s := connect(t, m.lmtp, true)
	defer s.conn.Close()
	for _, message := range messages {
		s.send(message, user)
	}
	s.command(221, "QUIT")
}

// submit does the same over SMTP.
func (m *mda) submit(t *testing.T, user string, messages []message) {
	t.Helper()
	s := connect(t, m.smtp, false)
	defer s.conn.Close()
	for _, message := range messages {
		s.send(message, user)
	}
	s.command(221, "QUIT")
}

func connect(t *testing.T, address string, lmtp bool) *sender {
	t.Helper()
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
		network, address = "unix", path
	}
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &sender{t: t, conn: conn, in: bufio.NewReader(conn), lmtp: lmtp, caps: make(map[string]bool)}
	s.reply(220, "the greeting")
	hello := "EHLO"
	if lmtp {
		hello = "LHLO"
	}
	for _, line := range strings.Split(s.command(250, "%s client.example", hello), "\n")[1:] {
		s.caps[strings.ToUpper(strings.Fields(line + " ?")[0])] = true
	}
	for _, capability := range []string{"PIPELINING", "8BITMIME", "CHUNKING", "SIZE", "SMTPUTF8"} {
		if !s.caps[capability] {
			t.Fatalf("%s: no %s in %v", address, capability, s.caps)
		}
	}
	return s
}

// send delivers one message to one user and waits until it was accepted.
func (s *sender) send(m message, user string) {
	s.t.Helper()
	s.sendFrom(from, m, user)
}

// sendFrom does it for another sender, and for any number of users.
func (s *sender) sendFrom(from string, m message, users ...string) {
	s.t.Helper()
	body := "BODY=8BITMIME"
	if bytes.HasPrefix([]byte(m.name), []byte("utf8-")) {
		body += " SMTPUTF8"
	}
	envelope := fmt.Sprintf("MAIL FROM:<%s> SIZE=%d %s\r\n", from, len(m.sent), body)
	for _, user := range users {
		envelope += fmt.Sprintf("RCPT TO:<%s@corpus.example>\r\n", user)
	}
	addressed := func() {
		s.t.Helper()
		s.reply(250, "MAIL for %s", m.name)
		for range users {
			s.reply(250, "RCPT for %s", m.name)
		}
	}
	if m.chunked {
		s.write([]byte(envelope))
		addressed()
		// In two chunks, which the server puts together again.
		half := len(m.sent) / 2
		s.write(fmt.Appendf(nil, "BDAT %d\r\n%s", half, m.sent[:half]))
		s.reply(250, "BDAT for %s", m.name)
		s.write(fmt.Appendf(nil, "BDAT %d LAST\r\n%s", len(m.sent)-half, m.sent[half:]))
		s.reply(250, "BDAT LAST for %s", m.name)
		return
	}
	s.write([]byte(envelope + "DATA\r\n"))
	addressed()
	s.reply(354, "DATA for %s", m.name)
	s.write(append(stuff(m.sent), ".\r\n"...))
	s.reply(250, "the data of %s", m.name)
}

// stuff doubles the dots at line starts (RFC 5321 section 4.5.2). Only CRLF
// ends a line there.
func stuff(text []byte) []byte {
	text = bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(text, []byte(".")) {
		text = append([]byte("."), text...)
	}
	return text
}

func (s *sender) write(text []byte) {
	s.t.Helper()
	if _, err := s.conn.Write(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sender) command(code int, format string, args ...any) string {
	s.t.Helper()
	line := fmt.Sprintf(format, args...)
	s.write([]byte(line + "\r\n"))
	return s.reply(code, "%s", line)
}

// reply reads the lines of one reply and returns their texts.
func (s *sender) reply(code int, format string, args ...any) string {
	s.t.Helper()
	_ = s.conn.SetDeadline(time.Now().Add(time.Minute))
	var texts []string
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			s.t.Fatalf("reply to %s: %v", fmt.Sprintf(format, args...), err)
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 4 || line[:3] != fmt.Sprint(code) {
			s.t.Fatalf("reply to %s: %q, want %d", fmt.Sprintf(format, args...), line, code)
		}
		texts = append(texts, line[4:])
		if line[3] == ' ' {
			return strings.Join(texts, "\n")
		}
	}
}

// maildrop returns the unique-ids that a POP3 session sees, oldest first: what
// a real client has left on the server.
func (m *mda) maildrop(t *testing.T, user string) []string {
	t.Helper()
	ctx := within(t, time.Minute)
	client := m.logIn(ctx, t, user)
	defer client.Close()
	list, err := client.UIDL(ctx)
	if err != nil {
		t.Fatalf("maildrop of %s: %v", user, err)
	}
	ids := []string{}
	for _, message := range list {
		ids = append(ids, message.UIDL)
	}
	if err := client.Quit(ctx); err != nil {
		t.Fatalf("maildrop of %s: %v", user, err)
	}
	return ids
}

// logIn begins a POP3 session.
func (m *mda) logIn(ctx context.Context, t *testing.T, user string) *pop3client.Client {
	t.Helper()
	client, err := pop3client.DialTLS(ctx, m.pop3s, pop3client.Options{
		TLS: &tls.Config{RootCAs: certificates(t).pool, ServerName: host},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Login(ctx, user, secrets[user]); err != nil {
		t.Fatalf("maildrop of %s: %v", user, err)
	}
	return client
}

// take waits until a user has n messages, or more, and returns them all. It
// removes them from the maildrop.
func (m *mda) take(t *testing.T, user string, n int) [][]byte {
	t.Helper()
	var messages [][]byte
	await(t, func() bool {
		messages = m.takeNow(t, user, n)
		return len(messages) >= n
	}, fmt.Sprintf("%s did not get %d messages", user, n))
	return messages
}

// takeNow takes all messages, or none if there are fewer than least.
func (m *mda) takeNow(t *testing.T, user string, least int) (messages [][]byte) {
	t.Helper()
	ctx := within(t, time.Minute)
	client := m.logIn(ctx, t, user)
	defer client.Close()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("maildrop of %s: %v", user, err)
		}
	}
	list, err := client.List(ctx)
	check(err)
	if len(list) < least {
		list = nil
	}
	for _, message := range list {
		body, err := client.Retr(ctx, message.Number)
		check(err)
		text, err := io.ReadAll(body)
		check(err)
		check(client.Dele(ctx, message.Number))
		messages = append(messages, text)
	}
	check(client.Quit(ctx))
	return messages
}

// way is how a sender brings mail: "SMTP" or "LMTP" or, after STARTTLS,
// "SMTP+STARTTLS" or "LMTP+STARTTLS".
type way struct {
	name, user string
	mda        *mda
	address    string
}

// allWays are those of senders that know LMTP and Unix sockets.
func allWays(t *testing.T) []way {
	t.Helper()
	tcp := start(t, memory, octetFlags...)
	unix := start(t, memory, append(octetFlags, "-lmtp", "unix:"+filepath.Join(publicDir(t), "lmtp"))...)
	return []way{
		{"SMTP", anna, tcp, tcp.smtp},
		{"SMTP+STARTTLS", bert, tcp, tcp.smtp},
		{"LMTP+STARTTLS", cleo, tcp, tcp.lmtp},
		{"LMTP", anna, unix, unix.lmtp},
	}
}

func (w way) protocol() string {
	protocol, _, _ := strings.Cut(w.name, "+")
	return protocol
}

func (w way) secured() bool { return strings.HasSuffix(w.name, "+STARTTLS") }

// socket is the path of the Unix socket, "" if it is none.
func (w way) socket() string {
	path, isUnix := strings.CutPrefix(w.address, "unix:")
	if !isUnix {
		return ""
	}
	return path
}

// messages are those that a sender sends this way: all that DATA can carry, and
// a few after STARTTLS, which costs many senders a handshake for each.
func (w way) messages(tag string) []message {
	messages := byData(tag)
	if w.secured() {
		return messages[len(messages)-6:]
	}
	return messages
}

// arrives waits until the user has all messages, compares them, and waits until
// the MDA has logged a session of this way that brought so many messages and
// ended by QUIT.
func (w way) arrives(t *testing.T, sent []message, inSession int) {
	t.Helper()
	same(t, w.mda.take(t, w.user, len(sent)), sent, nil)
	session := regexp.MustCompile(fmt.Sprintf(`"lmtp: session" .* protocol=%s .* tls=%t reason=quit messages=%d `,
		w.protocol(), w.secured(), inSession))
	await(t, func() bool { return w.mda.stderr.matches(session) }, fmt.Sprintf("no session that matches %s in the log", session))
}

// received removes the header field that a mail server has put in front of each
// message.
func received(t *testing.T, messages [][]byte, field *regexp.Regexp) [][]byte {
	t.Helper()
	for i, text := range messages {
		found := field.FindIndex(text)
		if found == nil {
			t.Errorf("a message does not begin with Received: %.400q", text)
			continue
		}
		messages[i] = text[found[1]:]
	}
	return messages
}

package pop3_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const goodLogin = "USER demo\r\nPASS secret\r\n"

var fuzzMessages = fstest.MapFS{
	"demo/1.eml": {Data: []byte("Subject: one\n\n.dot\n..\n.\nend")},
	"demo/2.eml": {Data: []byte("")},
	"demo/3.eml": {Data: []byte("Subject: three\r\n\r\nbare\rCR\r\n")},
}

// FuzzSession lets a client say anything. Whatever it is, the server does not
// panic; each answer is well-formed and belongs to a command that may be given
// in that state; octets are counted; and nothing is removed without QUIT.
func FuzzSession(f *testing.F) {
	f.Add([]byte(goodLogin+"STAT\r\nLIST\r\nUIDL\r\nLIST 1\r\nUIDL 2\r\nRETR 1\r\nTOP 1 1\r\nDELE 1\r\nRSET\r\nDELE 3\r\nNOOP\r\nQUIT\r\n"), byte(0))
	f.Add([]byte("CAPA\r\nAUTH\r\nAUTH \r\nAUTH PLAIN\r\nAGRlbW8Ac2VjcmV0\r\nRETR 3\r\nDELE 1\r\n"), byte(3))
	f.Add([]byte("AUTH PLAIN AGRlbW8Ac2VjcmV0\nCAPA\nDELE 2\nQUIT"), byte(1))
	f.Add([]byte("AUTH PLAIN\r\n*\r\nSTLS\r\nUSER demo\r\nPASS  \r\nPASS\r\nAPOP demo 0123456789abcdef0123456789abcdef\r\nQUIT\r\n"), byte(7))
	f.Add([]byte("USER \x00\r\nUSER\r\nuser demo\r\npass wrong\r\nStLs x\r\n\r\n\n \r\nQUIT now\r\nQUIT\r\n"), byte(0))
	f.Add([]byte(goodLogin+"DELE 1\r\nDELE 1\r\nRETR 1\r\nRETR 0\r\nRETR -1\r\nRETR 2147483648\r\nTOP 1\r\nTOP 1 99999999999\r\nLIST 1 2\r\nSTLS\r\nUSER x\r\n"), byte(0))
	f.Add([]byte(strings.Repeat("A", 3000)), byte(0))
	f.Add([]byte("AUTH PLAIN "+strings.Repeat("A", 70000)+"\r\n"), byte(0))

	tlsConfig := pop3test.NewUnstartedServer(f, nil).Config.TLSConfig
	f.Fuzz(func(t *testing.T, input []byte, step byte) {
		var store memory.Store
		require.NoError(t, store.LoadFS(t.Context(), fuzzMessages))
		watch := &watcher{t: t}
		server := insecure(pop3.Login(apopSecrets{}, &store))
		server.TLSConfig = tlsConfig
		server.Hooks = watch.hooks()
		conn := newScript(input, int(step))
		server.ServeConn(t.Context(), conn)
		watch.check(input, conn.out.String())

		left, err := store.Open(t.Context(), mailbox.Login{User: "demo"})
		require.NoError(t, err)
		n := 0
		for _, err := range left.Messages(t.Context()) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 3-watch.over.Deleted, n, "messages left")
		if watch.over.Reason != "quit" {
			require.Zero(t, watch.over.Deleted, "removed without QUIT")
		}
	})
}

// apopSecrets knows one user.
type apopSecrets struct{}

func (apopSecrets) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	if login.User != "demo" || login.Password != "secret" {
		return "", mailbox.ErrAuthFailed
	}
	return "demo", nil
}

func (apopSecrets) SharedSecret(context.Context, mailbox.Login) (secret, user string, err error) {
	return "secret", "demo", nil
}

// watcher holds what the hooks tell against what was on the wire.
type watcher struct {
	t        *testing.T
	commands []pop3.CommandInfo
	states   []bool // logged in after each command
	loggedIn bool
	over     pop3.SessionInfo
	closed   int
}

func (w *watcher) hooks() *pop3.Hooks {
	return &pop3.Hooks{
		Auth: func(_ *pop3.Conn, _ mailbox.Login, err error) { w.loggedIn = err == nil },
		Command: func(_ *pop3.Conn, info pop3.CommandInfo) {
			w.commands = append(w.commands, info)
			w.states = append(w.states, w.loggedIn)
		},
		Fault: func(_ *pop3.Conn, err error) { require.NoError(w.t, err) },
		Close: func(_ *pop3.Conn, info pop3.SessionInfo) { w.over, w.closed = info, w.closed+1 },
	}
}

var (
	statusLine = regexp.MustCompile(`^(\+OK|-ERR)( [^\x00-\x1f\x7f]*)?\r\n$`)
	challenge  = regexp.MustCompile(`^\+ [A-Za-z0-9+/]*=*\r\n$`)
	codeOf     = regexp.MustCompile(`^-ERR \[([^]]+)\]`)
)

func (w *watcher) check(input []byte, output string) {
	t := w.t
	require.Equal(t, 1, w.closed, "calls of Hooks.Close")
	greeting, rest, _ := strings.Cut(output, "\r\n")
	require.Regexp(t, `^\+OK .*<[^>]+@pop3>$`, greeting)
	in, wasLoggedIn := int64(0), false
	for i, info := range w.commands {
		require.LessOrEqual(t, info.Out, int64(len(rest)), "octets of %+v", info)
		if info.Verb == "STLS" && strings.HasPrefix(rest, "+OK") {
			return // what follows is a TLS alert: nobody begins TLS here
		}
		w.checkAnswer(info, rest[:info.Out])
		w.checkState(info, wasLoggedIn, w.states[i])
		rest, wasLoggedIn = rest[info.Out:], w.states[i]
		in += info.In
	}
	if rest != "" {
		require.Equal(t, "-ERR line too long\r\n", rest, "the session's last words")
	}
	require.LessOrEqual(t, w.over.In, int64(len(input)), "octets read")
	require.LessOrEqual(t, in, w.over.In, "octets of the commands")
	if bytes.HasSuffix(input, []byte("\n")) && w.over.Reason == "client gone" {
		require.Equal(t, w.over.In, in, "octets of the commands, where no other line came")
	}
	require.EqualValues(t, len(output), w.over.Out, "octets written")
}

// checkAnswer holds an answer against RFC 1939 section 3 and RFC 2449 section
// 4.
func (w *watcher) checkAnswer(info pop3.CommandInfo, answer string) {
	t := w.t
	lines := strings.SplitAfter(answer, "\r\n")
	require.Empty(t, lines[len(lines)-1], "an answer that does not end in CRLF: %q", answer)
	lines = lines[:len(lines)-1]
	for info.Verb == "AUTH" && len(lines) > 0 && challenge.MatchString(lines[0]) {
		lines = lines[1:]
	}
	if info.Verb == "AUTH" && len(lines) == 0 {
		return // the client went away in the middle
	}
	require.NotEmpty(t, lines, "no answer to %+v", info)
	status := lines[0]
	if status == "-ERR line too long\r\n" {
		return // in the middle of AUTH
	}
	require.Regexp(t, statusLine, status)
	require.LessOrEqual(t, len(status), 512)
	require.Equal(t, info.OK, strings.HasPrefix(status, "+OK"), "%+v: %q", info, answer)
	code := ""
	if found := codeOf.FindStringSubmatch(status); found != nil {
		code = found[1]
	}
	require.EqualValues(t, code, info.Code)
	if len(lines) == 1 {
		require.NotContains(t, []string{"RETR", "TOP", "CAPA"}, map[bool]string{true: info.Verb}[info.OK], "a body is missing")
		return
	}
	require.True(t, info.OK, "a body behind an -ERR: %q", answer)
	require.Contains(t, []string{"RETR", "TOP", "CAPA", "LIST", "UIDL", "AUTH"}, info.Verb, "a body: %q", answer)
	for i, line := range lines[1:] {
		require.Equal(t, i == len(lines)-2, line == ".\r\n", "the final dot of %q", answer)
		require.NotContains(t, strings.TrimSuffix(line, "\r\n"), "\n")
	}
}

// checkState holds a command that succeeded against the states of RFC 1939.
func (w *watcher) checkState(info pop3.CommandInfo, before, after bool) {
	t := w.t
	if !info.OK {
		require.Equal(t, before, after, "%+v was refused and changed the state", info)
		return
	}
	switch info.Verb {
	case "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP":
		require.True(t, before, "%s before the login", info.Verb)
	case "USER", "STLS":
		require.False(t, before, "%s after the login", info.Verb)
		require.False(t, after)
	case "PASS", "APOP":
		require.False(t, before, "%s after the login", info.Verb)
		require.True(t, after)
	case "AUTH":
		require.False(t, before)
	case "CAPA", "QUIT":
		require.Equal(t, before, after)
	default:
		require.Fail(t, "a command that nobody knows succeeded", "%q", info.Verb)
	}
}

// oneMessage is a maildrop with one message of unknown size, which comes in
// the stretches that a test asks for.
type oneMessage struct {
	body     []byte
	cuts     []byte // lengths of the stretches, over and over; empty: one
	writesTo bool   // by io.WriterTo
}

func (m *oneMessage) NewSession(context.Context, *pop3.Conn) (pop3.Session, error) { return m, nil }

func (m *oneMessage) Login(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return m, nil }

func (m *oneMessage) Messages(context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		yield(mailbox.Message{ID: "only", Size: -1}, nil)
	}
}

func (m *oneMessage) Open(context.Context, string, mailbox.OpenOptions) (io.ReadCloser, error) {
	body := &stretches{rest: m.body, cuts: m.cuts}
	if m.writesTo {
		return writerTo{body}, nil
	}
	return body, nil
}

func (m *oneMessage) Delete(context.Context, []string) error { return errors.New("nobody asked") }

func (m *oneMessage) Close() error { return nil }

type stretches struct {
	rest, cuts []byte
	turn       int
}

func (s *stretches) Close() error { return nil }

func (s *stretches) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.next())
	s.rest = s.rest[n:]
	return n, nil
}

// next is the next stretch, which may be empty now and then.
func (s *stretches) next() []byte {
	if len(s.cuts) == 0 {
		return s.rest
	}
	n := int(s.cuts[s.turn%len(s.cuts)])
	if s.turn++; n == 0 && s.turn%2 == 0 {
		n = 1
	}
	return s.rest[:min(n, len(s.rest))]
}

type writerTo struct{ *stretches }

func (w writerTo) WriteTo(to io.Writer) (total int64, err error) {
	for len(w.rest) > 0 {
		n, err := to.Write(w.next())
		w.rest = w.rest[n:]
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// answers runs a session and returns what came behind the login.
func answers(t *testing.T, handler pop3.Handler, commands string) string {
	conn := newScript([]byte(goodLogin+commands), 0)
	insecure(handler).ServeConn(t.Context(), conn)
	_, rest, found := strings.Cut(conn.out.String(), "+OK maildrop has 1 messages\r\n")
	require.True(t, found, "%q", conn.out.String())
	return rest
}

// unstuff undoes byte-stuffing as RFC 1939 section 3 tells a client to. It
// returns what follows the termination octet as well.
func unstuff(t require.TestingT, body string) (message []byte, rest string) {
	for {
		line, after, found := strings.Cut(body, "\r\n")
		require.True(t, found, "no final dot")
		body = after
		if line == "." {
			return message, body
		}
		message = append(append(message, strings.TrimPrefix(line, ".")...), "\r\n"...)
	}
}

// FuzzStuffing sends any message in any stretches. What the client un-stuffs
// is the canonical form, of which LIST says the octets (P6).
func FuzzStuffing(f *testing.F) {
	for _, body := range []string{
		"", ".", "..", "\n", "\r", "\r\n", "\n.", "\r.", ".\n", ".\r\n", "a", "a\r", "a\r\r\n.b", "\n\n..\n.",
		"\x00", "a\x00", "\x00\n.\x00", "Subject: x\n\n.one\n.\n..\r\n.\r\nlast", strings.Repeat("x", 20000) + "\n.y",
		strings.Repeat("line\n", 5000), strings.Repeat(".\n", 5000),
	} {
		f.Add([]byte(body), []byte{}, false)
		f.Add([]byte(body), []byte{1}, true)
		f.Add([]byte(body), []byte{0, 3, 1}, false)
	}
	f.Fuzz(func(t *testing.T, body, cuts []byte, writesTo bool) {
		want := naiveCanonical(body)
		store := &oneMessage{body: body, cuts: cuts, writesTo: writesTo}

		octets, err := mailbox.Octets(&stretches{rest: body, cuts: cuts})
		require.NoError(t, err)
		require.EqualValues(t, len(want), octets, "mailbox.Octets")
		canonical, err := io.ReadAll(mailbox.NewCanonicalReader(&stretches{rest: body, cuts: cuts}))
		require.NoError(t, err)
		require.Equal(t, string(want), string(canonical), "mailbox.CanonicalReader")

		counted := fmt.Sprintf("+OK 1 %d\r\n", len(want))
		rest := answers(t, store, "RETR 1\r\nLIST 1\r\nSTAT\r\nRETR 1\r\nQUIT\r\n")
		rest, found := strings.CutPrefix(rest, "+OK message follows\r\n")
		require.True(t, found, "%q", rest)
		message, rest := unstuff(t, rest)
		require.Equal(t, string(want), string(message))
		rest, found = strings.CutPrefix(rest, counted+counted)
		require.True(t, found, "LIST 1 and STAT of %d octets: %q", len(want), rest)
		rest, found = strings.CutPrefix(rest, fmt.Sprintf("+OK %d octets\r\n", len(want)))
		require.True(t, found, "%q", rest)
		message, rest = unstuff(t, rest)
		require.Equal(t, string(want), string(message))
		require.Equal(t, "+OK bye\r\n", rest)
	})
}

// FuzzTop asks for the top of any message: the header, the blank line and as
// many lines of the body as the client wants (RFC 1939 section 7).
func FuzzTop(f *testing.F) {
	for _, body := range []string{
		"", "\n", "\r", "\r\n\r\n", "A: b\n\none\ntwo\nthree", "A: b\r\n\r\n.\r\n..\r\n", "A: b\r\r\n\r\nx", "no body", "\r\r\n\nx\n",
		"A: b\n\r\nx\r\n\ny\n", "\x00\n\n\x00",
	} {
		for _, lines := range []uint32{0, 1, 2, 1000, math.MaxInt32} {
			f.Add([]byte(body), lines, []byte{})
			f.Add([]byte(body), lines, []byte{1, 0, 2})
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, lines uint32, cuts []byte) {
		lines &= math.MaxInt32
		store := &oneMessage{body: body, cuts: cuts, writesTo: true}
		rest := answers(t, store, fmt.Sprintf("TOP 1 %d\r\nQUIT\r\n", lines))
		rest, found := strings.CutPrefix(rest, "+OK message follows\r\n")
		require.True(t, found, "%q", rest)
		top, rest := unstuff(t, rest)
		require.Equal(t, string(naiveTop(body, int(lines))), string(top))
		require.Equal(t, "+OK bye\r\n", rest)
	})
}

// recorder is an authenticator that takes everybody and remembers.
type recorder struct{ logins []mailbox.Login }

func (r *recorder) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	r.logins = append(r.logins, login)
	return "demo", nil
}

// FuzzSASL sends any octets where base64 belongs, as an initial response and
// as a continuation. PLAIN (RFC 4616) reaches the authenticator exactly where
// the octets are well-formed, and with exactly what they say.
func FuzzSASL(f *testing.F) {
	encode := base64.StdEncoding.EncodeToString
	for _, response := range []string{
		"", "\x00", "\x00\x00", "\x00demo\x00secret", "demo\x00demo\x00secret", "other\x00demo\x00secret", "\x00demo\x00", "\x00\x00secret",
		"a\x00b\x00c\x00d", "\x00d\r\nQUIT\x00s", "\x00\xff\xfe\x00\x01",
	} {
		f.Add([]byte(encode([]byte(response))), true)
		f.Add([]byte(encode([]byte(response))), false)
		f.Add([]byte(response), true)
	}
	for _, raw := range []string{"*", "=", "==", "====", "A", "AA", "AAA", "AGRlbW8Ac2VjcmV0=", "AGRlbW8Ac2VjcmV0 ", " AGRlbW8Ac2VjcmV0", "AGRlbW8A\rc2VjcmV0", "AGRlbW8Ac2VjcmV1B"} {
		f.Add([]byte(raw), true)
		f.Add([]byte(raw), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, initial bool) {
		if bytes.ContainsAny(text, "\n") || bytes.HasSuffix(text, []byte("\r")) || len(text) > 60000 {
			t.Skip("that is two lines, or too long a one")
		}
		line := "AUTH PLAIN\r\n" + string(text) + "\r\n"
		if initial {
			line = "AUTH PLAIN " + string(text) + "\r\n"
		}
		want := plainLogin(text, initial)
		var got recorder
		conn := newScript([]byte(line), 0)
		insecure(pop3.Login(&got, new(memory.Store))).ServeConn(t.Context(), conn)
		output := conn.out.String()
		if want == nil {
			require.Empty(t, got.logins, "%q reached the authenticator", text)
			require.NotContains(t, output, "+OK maildrop")
			return
		}
		require.Len(t, got.logins, 1, "%q: %s", text, output)
		login := got.logins[0]
		require.Equal(t, want, []string{login.AuthorizationID, login.User, login.Password})
	})
}

// plainLogin is what a PLAIN response says, by its definition; nil where it is
// not well-formed. An authorization identity that is the user's own counts as
// none.
func plainLogin(text []byte, initial bool) []string {
	if initial {
		text = bytes.Trim(text, " ")
		if bytes.IndexByte(text, 0) >= 0 {
			return nil
		}
	}
	octets, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || bytes.ContainsAny(text, "\r\n") {
		return nil
	}
	parts := strings.Split(string(octets), "\x00")
	if len(parts) != 3 || parts[1] == "" || strings.ContainsFunc(parts[0]+parts[1], unicode.IsControl) {
		return nil
	}
	if parts[0] == parts[1] {
		parts[0] = ""
	}
	return parts
}

// FuzzNumbers gives any text where a message number belongs. Only decimal
// digits are one, and none wraps around.
func FuzzNumbers(f *testing.F) {
	for _, text := range []string{
		"1", "2", "3", "4", "0", "00", "01", "-1", "+1", "1 ", " 1", "1x", "0x1", "1e0", "1.0", "1 2", "\t1", "१", "",
		"2147483647", "2147483648", "4294967297", "18446744073709551617", strings.Repeat("0", 100) + "1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\r\n\x00") || len(text) > 2000 {
			t.Skip("not an argument")
		}
		valid := false
		digits := strings.Trim(text, " ")
		if regexp.MustCompile(`^[0-9]+$`).MatchString(digits) {
			n, _ := new(big.Int).SetString(digits, 10)
			valid = n.Cmp(big.NewInt(1)) == 0 // the maildrop has one message
		}
		for _, verb := range []string{"RETR", "DELE", "LIST", "UIDL"} {
			if digits == "" && (verb == "LIST" || verb == "UIDL") {
				continue // without a number they are other commands
			}
			answer := answers(t, &oneMessage{body: []byte("x")}, verb+" "+text+"\r\n")
			require.Equal(t, valid, strings.HasPrefix(answer, "+OK"), "%s %q: %q", verb, text, answer)
		}
		answer := answers(t, &oneMessage{body: []byte("x")}, "TOP "+text+" 0\r\n")
		require.Equal(t, valid, strings.HasPrefix(answer, "+OK"), "TOP %q 0: %q", text, answer)
	})
}

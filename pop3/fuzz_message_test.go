package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// oneMessage is a mailbox with one message of unknown size, which is read in
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

func (m *oneMessage) Delete(context.Context, []string) error { return errors.New("no QUIT") }

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

// next returns the next stretch, which may be empty now and then.
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

// answers runs a session and returns the answers after the login.
func answers(t *testing.T, handler pop3.Handler, commands string) string {
	conn := newScript([]byte(goodLogin+commands), 0)
	insecure(handler).ServeConn(t.Context(), conn)
	_, rest, found := strings.Cut(conn.out.String(), "+OK maildrop has 1 messages\r\n")
	require.True(t, found, "%q", conn.out.String())
	return rest
}

// FuzzStuffing sends any message in any stretches. Un-stuffed it is the
// canonical form, whose octets LIST says (P6).
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

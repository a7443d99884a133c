package lmtp_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// model is what a client may expect: it says a random command, and knows what is
// answered, and which messages are delivered.
type model struct {
	*rand.Rand
	protocol lmtp.Protocol
	store    moody

	hello, mail, chunked bool
	recipients           int
	chunks               string

	said     strings.Builder
	answers  []string // codes
	messages []string
}

func (m *model) expect(codes ...string) { m.answers = append(m.answers, codes...) }

func (m *model) forget() { m.mail, m.chunked, m.recipients, m.chunks = false, false, 0, "" }

// hears is what is answered to a message for each recipient.
func (m *model) hears(message string) {
	code, all := "250", m.recipients
	if m.store.refuses(message) {
		code = "554"
	} else {
		m.messages = append(m.messages, message)
	}
	if m.protocol == lmtp.SMTP {
		all = 1
	}
	for range all {
		m.expect(code)
	}
	m.forget()
}

// says adds a command, which is done if it is allowed.
func (m *model) says(line string, allowed bool, code string) bool {
	m.said.WriteString(line + "\r\n")
	if !allowed {
		code = "503"
	}
	m.expect(code)
	return allowed
}

func (m *model) step() {
	text := []string{"", "a\r\n", "R\r\n.\r\n", "..\r\n", "fill\r\r\n", "R\n.\n\r\n", strings.Repeat("x", 9000) + "\r\n"}[m.IntN(7)]
	switch m.IntN(12) {
	case 0:
		m.says(helloVerb(m.protocol)+" x", true, "250")
		m.hello = true
		m.forget()
	case 1, 2:
		if m.says("MAIL FROM:<a@example.net>", m.hello && !m.mail, "250") {
			m.mail = true
		}
	case 3, 4, 5:
		if m.says("RCPT TO:<alice@example.org>", m.mail && !m.chunked, "250") {
			m.recipients++
		}
	case 6:
		m.says("RCPT TO:<nobody@example.org>", m.mail && !m.chunked, "550")
	case 7:
		if m.says("DATA", m.recipients > 0 && !m.chunked, "354") {
			m.said.WriteString(strings.TrimPrefix(strings.ReplaceAll("\r\n"+text, "\r\n.", "\r\n.."), "\r\n") + ".\r\n")
			m.hears(text)
		}
	case 8, 9:
		fmt.Fprintf(&m.said, "BDAT %d\r\n%s", len(text), text)
		if m.recipients == 0 {
			m.expect("503")
			return
		}
		m.chunked, m.chunks = true, m.chunks+text
		m.expect("250")
	case 10:
		fmt.Fprintf(&m.said, "BDAT %d LAST\r\n%s", len(text), text)
		if m.recipients == 0 {
			m.expect("503")
			return
		}
		m.hears(m.chunks + text)
	case 11:
		switch m.IntN(3) {
		case 0:
			m.says("RSET", true, "250")
			m.forget()
		case 1:
			m.says("NOOP", true, "250")
		case 2:
			m.says("XYZZY", true, "500")
		}
	}
}

// moody is a store that refuses a message that begins with R, after it has read
// one octet of it.
type moody struct{ *sink }

func (s moody) refuses(message string) bool { return strings.HasPrefix(message, "R") }

func (s moody) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	var first [1]byte
	n, err := body.Read(first[:])
	if err != nil && err != io.EOF {
		return nil, err
	}
	if s.refuses(string(first[:n])) {
		return nil, mailbox.ErrPermanent
	}
	return s.sink.Append(ctx, delivery, io.MultiReader(strings.NewReader(string(first[:n])), body))
}

// Whatever a client sends ahead, in whatever state: each command has its answers,
// and the messages are those that were sent.
func TestRandomSessions(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		for seed := range uint64(100) {
			store := moody{new(sink)}
			m := &model{Rand: rand.New(rand.NewPCG(seed, 0)), protocol: protocol, store: store}
			m.expect("220")
			for range 60 {
				m.step()
			}
			if m.chunked {
				m.says("RSET", true, "250") // else the end is that of a message
			}
			m.says("QUIT", true, "221")
			r := newServer(protocol)
			r.Appender, r.MaxBadCommands, r.MaxMessageSize = store, -1, -1
			cuts := make([]byte, m.IntN(4))
			for i := range cuts {
				cuts[i] = byte(m.IntN(256))
			}
			conn := &script{input: m.said.String(), cuts: cuts}
			require.NoError(t, r.ServeConn(t.Context(), conn), "seed %d", seed)
			var answers []string
			for line := range strings.SplitSeq(strings.TrimSuffix(conn.out.String(), "\r\n"), "\r\n") {
				if line[3] == ' ' {
					answers = append(answers, line[:3])
				}
			}
			require.Equal(t, m.answers, answers, "seed %d: %q", seed, m.said.String())
			require.Equal(t, m.messages, store.messages, "seed %d", seed)
		}
	})
}

package lmtp_test

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// sink is a store that remembers the octets of each message, as they were sent.
type sink struct{ messages []string }

func (s *sink) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	octets, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	s.messages = append(s.messages, string(octets))
	return make([]mailbox.Result, len(delivery.Recipients)), nil
}

// talk gives a server what a client says, in pieces, and returns the messages and
// the answers.
func talk(t *testing.T, protocol lmtp.Protocol, input string, cuts []byte) (messages []string, answers []string) {
	store := new(sink)
	r := newServer(protocol)
	r.Appender, r.MaxBadCommands, r.MaxRefused, r.MaxMessageSize = store, -1, -1, -1
	conn := &script{input: input, cuts: cuts}
	r.ServeConn(t.Context(), conn)
	answers = strings.SplitAfter(conn.out.String(), "\r\n")
	require.Empty(t, answers[len(answers)-1], "the last line has an end")
	return store.messages, answers[:len(answers)-1]
}

var answerLine = regexp.MustCompile(`^[2345][0-9][0-9][ -][^\x00-\x1f\x7f]*\r\n$`)

// Whatever a client says, each answer is one, and is within the length of RFC
// 5321 section 4.5.3.1.5; and however its octets are cut, the answers are the
// same.
func FuzzCommands(f *testing.F) {
	for _, text := range []string{
		"EHLO x\r\nMAIL FROM:<a@b> SIZE=10 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<alice@x>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n",
		"MAIL FROM:<\"a\\\"b\"@[IPv6:::1]>\r\nRCPT TO:<@a,@b:postmaster>\r\nRCPT TO:<Postmaster>\r\nBDAT 3\r\na\r\nBDAT 0 LAST\r\nRSET\r\n",
		"mail from:a@b\nrcpt to:alice@x\ndata\n.\r\nNOOP \x00\r\nVRFY x\r\nHELP\r\nBDAT 99999999999999999999\r\n",
		"HELO x\r\nSTARTTLS\r\nLHLO\r\nXYZZY\r\n\r\n \r\nDATA\r\nBDAT 5 LAST\r\nxxxxxNOOP\r\n",
	} {
		f.Add(false, text, []byte{0})
		f.Add(true, text, []byte{3, 1})
	}
	f.Fuzz(func(t *testing.T, isSMTP bool, text string, cuts []byte) {
		protocol, hello := lmtp.LMTP, "LHLO x\r\n"
		if isSMTP {
			protocol, hello = lmtp.SMTP, "EHLO x\r\n"
		}
		messages, answers := talk(t, protocol, hello+text, nil)
		for _, answer := range answers {
			require.Regexp(t, answerLine, answer)
			require.LessOrEqual(t, len(answer), 512)
		}
		again, answersAgain := talk(t, protocol, hello+text, cuts)
		require.Equal(t, messages, again)
		require.Equal(t, withoutIDs(answers), withoutIDs(answersAgain))
	})
}

var deliveredAs = regexp.MustCompile(`delivered as [A-Z2-7]{16}`)

func withoutIDs(answers []string) string {
	return deliveredAs.ReplaceAllString(strings.Join(answers, ""), "delivered")
}

// DATA has the octets and the end of the reference reader.
func FuzzDATA(f *testing.F) {
	for _, wire := range []string{
		"", ".\r\n", "a\r\n.\r\n", "a\r\r\n.\r\n", "..\r\n.\r\n", ".\rb\r\n.\r\n", ".\r\r\n.\r\n", "a\n.\n\r\n.\r\n", "\r\n.\n.\r\n.\r.\r\n.\r\n.\r\n",
	} {
		f.Add(wire, []byte{0})
		f.Add(wire, []byte{2, 0, 5})
	}
	f.Fuzz(func(t *testing.T, wire string, cuts []byte) {
		message, rest, ended := reference(wire)
		if strings.ContainsRune(rest, '\n') {
			t.Skip("what follows are commands: FuzzCommands has those")
		}
		messages, answers := talk(t, lmtp.SMTP, "EHLO x\r\n"+envelope+"DATA\r\n"+wire, cuts)
		if !ended {
			require.Empty(t, messages)
			return
		}
		require.Equal(t, []string{message}, messages)
		require.Regexp(t, `^250 2\.0\.0 OK: `, answers[len(answers)-1])
	})
}

// BDAT has the octets of its chunks.
func FuzzBDAT(f *testing.F) {
	f.Add("abc\r\n.\r\nBDAT 3\r\n", []byte{3, 0, 9}, []byte{0})
	f.Add("", []byte{0}, []byte{5})
	f.Fuzz(func(t *testing.T, message string, sizes, cuts []byte) {
		var wire strings.Builder
		left, chunks := message, 0
		for _, size := range sizes {
			n := min(int(size), len(left))
			fmt.Fprintf(&wire, "BDAT %d\r\n%s", n, left[:n])
			left, chunks = left[n:], chunks+1
		}
		wire.WriteString("BDAT " + strconv.Itoa(len(left)) + " LAST\r\n" + left + "NOOP\r\n")
		messages, answers := talk(t, lmtp.SMTP, "EHLO x\r\n"+envelope+wire.String(), cuts)
		require.Equal(t, []string{message}, messages)
		require.Equal(t, chunks, strings.Count(strings.Join(answers, ""), " octets received\r\n"))
		require.Equal(t, "250 2.0.0 OK\r\n", answers[len(answers)-1])
	})
}

package lmtp_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// The octets on the wire after DATA, and those in the mailbox afterwards. RFC
// 5321 sections 4.5.2 (transparency) and 2.3.8 (only CRLF ends a line; a bare
// CR or LF does not); in the mailbox every line ends in CRLF.
func TestDataOctetForOctet(t *testing.T) {
	bits := make([]byte, 0, 256)
	for b := range 256 {
		if b != '\r' && b != '\n' {
			bits = append(bits, byte(b))
		}
	}
	for _, test := range []struct{ name, wire, want string }{
		{"plain", "Subject: a\r\n\r\nbody\r\n.\r\n", "Subject: a\r\n\r\nbody\r\n"},
		{"nothing at all", ".\r\n", ""},
		{"empty body", "Subject: a\r\n\r\n.\r\n", "Subject: a\r\n\r\n"},
		{"header alone", "Subject: a\r\n.\r\n", "Subject: a\r\n"},
		{"leading dots", "\r\n..\r\n...\r\n..a\r\n.\r\n", "\r\n.\r\n..\r\n.a\r\n"},
		{"dot as the first octet", "..a\r\n.\r\n", ".a\r\n"},
		{"dots within lines", "a.\r\n b .\r\n.\r\n", "a.\r\n b .\r\n"},
		{"8-bit, NUL and controls", string(bits) + "\r\n.\r\n", string(bits) + "\r\n"},
		{"998 octets in a line", strings.Repeat("x", 998) + "\r\n.\r\n", strings.Repeat("x", 998) + "\r\n"},
		{"60,000 octets in a line", strings.Repeat("x", 60_000) + "\r\n.\r\n", strings.Repeat("x", 60_000) + "\r\n"},

		{"bare LF", "a\nb\r\n.\r\n", "a\r\nb\r\n"},
		{"LF dot LF is no end", "a\n.\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
		{"LF dot CRLF is no end", "a\n.\r\nb\r\n.\r\n", "a\r\n.\r\nb\r\n"},
		{"CRLF dot LF is no end", "a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
		{"CR dot CR is no end", "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n"},
		{"bare LF does not make a dot stuffed", "a\n..b\r\n.\r\n", "a\r\n..b\r\n"},

		{"bare CR", "a\rb\r\n.\r\n", "a\rb\r\n"},
		{"CR CR LF", "a\r\r\nb\r\n.\r\n", "a\r\r\nb\r\n"},
		{"CR CR LF at the end", "a\r\r\n.\r\n", "a\r\r\n"},
		{"CR CR LF alone", "\r\r\n.\r\n", "\r\r\n"},
		{"CR CR CR LF at the end", "a\r\r\r\n.\r\n", "a\r\r\r\n"},
		{"four CRs at the end", "a\r\r\r\r\n.\r\n", "a\r\r\r\r\n"},
		{"stuffed dot after CR CR LF", "a\r\r\n..b\r\n..c\r\n.\r\n", "a\r\r\n.b\r\n.c\r\n"},
		{"lone dot line after CR CR LF", "a\r\r\n..\r\n.\r\n", "a\r\r\n.\r\n"},
		{"stuffed dot, CR CR LF, end", "a\r\r\n..\r\r\n.\r\n", "a\r\r\n.\r\r\n"},
		{"dot and CR after CR CR LF", "a\r\r\n..\rb\r\n.\r\n", "a\r\r\n.\rb\r\n"},
		{"CR CR LF over and over", strings.Repeat("\r\r\n", 3000) + ".\r\n", strings.Repeat("\r\r\n", 3000)},
	} {
		t.Run(test.name, func(t *testing.T) {
			protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
				r := start(t, protocol)
				d := dial(t, r.address)
				d.hello(protocol)
				for range 2 { // the second shows that the first ended where it should
					d.play(toAlice + "C: DATA\nS: 354 *\n" + quoted(test.wire) + ok(protocol))
				}
				d.play("C: QUIT\nS: 221 *\nS: EOF")
				require.Equal(t, []string{test.want, test.want}, r.mail(t, "alice"))
			})
		})
	}
}

// BDAT (RFC 3030) has no dots and no line ends of its own.
func TestChunksOctetForOctet(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		for _, test := range []struct {
			name   string
			chunks []string
			want   string
		}{
			{"one", []string{"a\r\n"}, "a\r\n"},
			{"nothing at all", []string{""}, ""},
			{"no final line end", []string{"Subject: a\r\n\r\nb"}, "Subject: a\r\n\r\nb\r\n"},
			{"several", []string{"a", "b\r", "\nc\r\n"}, "ab\r\nc\r\n"},
			{"the last one empty", []string{"a\r\n", ""}, "a\r\n"},
			{"dots", []string{".\r\n..\r\n.\r\n"}, ".\r\n..\r\n.\r\n"},
			{"60,000 octets in a line", []string{strings.Repeat("x", 30_000), strings.Repeat("x", 30_000)}, strings.Repeat("x", 60_000) + "\r\n"},
		} {
			t.Run(test.name, func(t *testing.T) {
				r := start(t, protocol)
				d := dial(t, r.address)
				d.hello(protocol)
				var say, hear strings.Builder
				for i, chunk := range test.chunks {
					if i == len(test.chunks)-1 {
						say.WriteString(quoted("BDAT " + itoa(len(chunk)) + " LAST\r\n" + chunk))
						hear.WriteString(ok(protocol))
						break
					}
					say.WriteString(quoted("BDAT " + itoa(len(chunk)) + "\r\n" + chunk))
					hear.WriteString("S: 250 2.0.0 *\n")
				}
				for range 2 {
					d.play(toAlice + say.String() + hear.String())
				}
				d.play("C: QUIT\nS: 221 *\nS: EOF")
				require.Equal(t, []string{test.want, test.want}, r.mail(t, "alice"))
			})
		}
	})
}

// A message without its end is not delivered.
func TestCutShort(t *testing.T) {
	for name, message := range map[string]string{
		"in DATA":               "C: DATA\nS: 354 *\nC: half of it",
		"before the final LF":   `C: DATA` + "\nS: 354 *\n" + `R: "all of it\r\n.\r"`,
		"in a chunk":            `R: "BDAT 100\r\nhalf of it"`,
		"in the last chunk":     `R: "BDAT 100 LAST\r\nhalf of it"`,
		"before the last chunk": `R: "BDAT 4\r\nhalf"` + "\nS: 250 2.0.0 *",
		"before what RSET ends": `R: "BDAT 4\r\nhalf"` + "\nS: 250 2.0.0 *\nC: RSET\nS: 250 *\nC: DATA\nS: 503 *",
	} {
		t.Run(name, func(t *testing.T) {
			protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
				for _, encrypted := range []bool{false, true} {
					r := start(t, protocol, withTLS(t))
					d := dial(t, r.address)
					d.begin(r, encrypted)
					d.play(toAlice + message)
					require.NotContains(t, d.hangUp(), "OK: delivered as *")
					require.Empty(t, r.mail(t, "alice"))
				}
			})
		})
	}
}

// hastyStore is one that says that it has a message of which it has read so many
// octets.
type hastyStore int64

func (s hastyStore) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	io.CopyN(io.Discard, body, int64(s))
	results := make([]mailbox.Result, len(delivery.Recipients))
	results[0].Err = mailbox.ErrOverQuota
	return results, nil
}

// A message of which the store has not read the end is not acknowledged, and the
// next command is found. A recipient may be refused without that.
func TestAStoreThatReadsTooLittle(t *testing.T) {
	for octets, answer := range map[int]string{
		0: "451 4.3.0 <bob@example.org> *", 5: "451 4.3.0 <bob@example.org> *",
		1000: "250 2.0.0 <bob@example.org> *",
	} {
		r := start(t, lmtp.LMTP, func(r *running) { r.Appender = hastyStore(octets) })
		d := dial(t, r.address)
		d.hello(lmtp.LMTP)
		for _, message := range []string{"C: DATA\nS: 354 *\nC: a message\nC: .\n", `R: "BDAT 9 LAST\r\na message"` + "\n"} {
			d.play(toAlice + "C: RCPT TO:<bob@example.org>\nS: 250 *\n" + message +
				"C: NOOP\nS: 552 5.2.2 <alice@example.org> *\nS: " + answer + "\nS: 250 2.0.0 OK")
		}
	}
}

// The end of the connection right after a whole message changes nothing.
func TestWholeMessageThenHangUp(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		for _, encrypted := range []bool{false, true} {
			for _, message := range []string{`R: "BDAT 7 LAST\r\nwhole\r\n"`, `R: "BDAT 7 LAST\r\nwhole\r\nQUIT\r\n"`} {
				r := start(t, protocol, withTLS(t))
				d := dial(t, r.address)
				d.begin(r, encrypted)
				d.play(toAlice + "R: \"BDAT 7 LAST\\r\\nfirst\\r\\n\"\n" + ok(protocol))
				d.play(toAlice + message + "\n" + ok(protocol))
				d.hangUp()
				require.Equal(t, []string{"first\r\n", "whole\r\n"}, r.mail(t, "alice"))
			}
		}
	})
}

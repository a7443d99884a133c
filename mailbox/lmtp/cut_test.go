package lmtp_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// everyTransport runs a test over both protocols, in the clear and over TLS. Each
// write of the client's is one read of the server's.
func everyTransport(t *testing.T, test func(t *testing.T, r *running, d *dialogue)) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		for _, encrypted := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS %t", encrypted), func(t *testing.T) {
				t.Parallel()
				r := newServer(protocol)
				r.MaxMessageSize = 10 << 20
				withTLS(t)(r)
				d, over := r.pipe(t)
				d.begin(r, encrypted)
				test(t, r, d)
				d.play("C: QUIT\nS: 221 *\nS: EOF")
				require.NoError(t, <-over)
			})
		}
	})
}

// send writes a text in pieces, while the answers are read.
func (d *dialogue) send(pieces ...string) {
	go func() {
		for _, piece := range pieces {
			if _, err := io.WriteString(d.conn, piece); err != nil {
				return // the test sees that answers are missing
			}
		}
	}()
}

// cuts are the ways to send a text: whole, octet by octet, and in two parts cut
// at each octet.
func cuts(text string) [][]string {
	ways := [][]string{{text}, strings.Split(text, "")}
	for i := 1; i < len(text); i++ {
		ways = append(ways, []string{text[:i], text[i:]})
	}
	return ways
}

const envelope = "MAIL FROM:<a@example.net>\r\nRCPT TO:<alice@example.org>\r\n"

// dataAnswers are the answers to an envelope and a message that comes by DATA.
func dataAnswers(protocol lmtp.Protocol) string {
	return "S: 250 2.1.0 *\nS: 250 2.1.5 *\nS: 354 *\n" + ok(protocol)
}

// Every command that comes behind the end of a message is answered (RFC 2920
// section 3.1), however the octets are cut into segments. The last lines end in
// any number of CRs.
func TestEveryCommandBehindTheEndIsAnswered(t *testing.T) {
	for name, wire := range map[string]string{
		"CR LF":              "a\r\n.\r\n",
		"CR CR LF":           "a\r\r\n.\r\n",
		"CR CR CR LF":        "a\r\r\r\n.\r\n",
		"four CRs":           "a\r\r\r\r\n.\r\n",
		"CR CR LF alone":     "\r\r\n.\r\n",
		"nothing":            ".\r\n",
		"dots":               "..\r\n...\r\n.\r\n",
		"dot and CR":         "a\r\n.\rb\r\n.\r\n",
		"dot, CR CR LF":      "a\r\n.\r\r\n.\r\n",
		"dot, CR at the end": "a\r\n.\r.\r\n.\r\n",
		"bare line ends":     "a\n.\nb\r.\rc\r\n.\n\r\n.\r\n",
		"NUL":                "\x00\r\n.\x00\r\n.\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			message, rest, ended := reference(wire)
			require.True(t, ended)
			require.Empty(t, rest)
			everyTransport(t, func(t *testing.T, r *running, d *dialogue) {
				ways := cuts("DATA\r\n" + wire + "MAIL FROM:<>\r\nRSET\r\n")
				for _, pieces := range ways {
					pieces[0] = envelope + pieces[0]
					d.send(pieces...)
					d.play(dataAnswers(r.Protocol) + "S: 250 2.1.0 *\nS: 250 2.0.0 Forgotten")
				}
				mail := r.mail(t, "alice")
				require.Len(t, mail, len(ways))
				for _, text := range mail {
					require.Equal(t, canonical(message), text)
				}
			})
		})
	}
}

// So it is with commands and chunks, and with the chunk of a message that has no
// recipient, which is not taken for commands.
func TestEveryCommandIsAnswered(t *testing.T) {
	for name, test := range map[string]struct{ wire, answers string }{
		"postmaster": {
			"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<nobody@example.org>\r\nRSET\r\n",
			"S: 250 2.1.0 *\nS: 250 2.1.5 *\nS: 250 2.1.5 *\nS: 550 5.1.1 *\nS: 250 2.0.0 *",
		},
		"chunks": {
			envelope + "BDAT 6\r\nQUIT\r\nBDAT 0\r\nNOOP\r\nBDAT 2 LAST\r\n.\rNOOP\r\n",
			"S: 250 2.1.0 *\nS: 250 2.1.5 *\nS: 250 2.0.0 6 octets received\nS: 250 2.0.0 0 octets received\nS: 250 2.0.0 OK\n" +
				"S: 250 2.0.0 *\nS: 250 2.0.0 OK",
		},
		"a chunk for nobody": {
			"MAIL FROM:<>\r\nRCPT TO:<nobody@example.org>\r\nBDAT 12 LAST\r\nQUIT\r\nQUIT\r\nRSET\r\n",
			"S: 250 2.1.0 *\nS: 550 5.1.1 *\nS: 503 5.5.1 No valid recipients: RCPT comes first\nS: 250 2.0.0 Forgotten",
		},
	} {
		t.Run(name, func(t *testing.T) {
			everyTransport(t, func(t *testing.T, r *running, d *dialogue) {
				ways := cuts(test.wire)
				for _, pieces := range ways {
					d.send(pieces...)
					d.play(test.answers)
				}
				require.Len(t, r.mail(t, "alice"), len(ways)*strings.Count(test.wire, "BDAT 2 LAST"))
				for _, text := range r.mail(t, "alice") {
					require.Equal(t, "QUIT\r\n.\r\n", text)
				}
			})
		})
	}
}

// MAIL, 99 RCPT, DATA and the message in one segment: 102 answers and the result.
func TestAHundredCommandsInOneSegment(t *testing.T) {
	protocols(t, func(t *testing.T, protocol lmtp.Protocol) {
		r := start(t, protocol)
		d := dial(t, r.address)
		d.hello(protocol)
		d.send("MAIL FROM:<a@example.net>\r\n" + strings.Repeat("RCPT TO:<alice@example.org>\r\n", 99) +
			"DATA\r\na\r\r\n.\r\nQUIT\r\n")
		d.play("S: 250 2.1.0 *\n" + strings.Repeat("S: 250 2.1.5 *\n", 99) + "S: 354 *")
		if protocol == lmtp.LMTP {
			d.play(strings.Repeat(ok(protocol), 99))
		} else {
			d.play(ok(protocol))
		}
		d.play("S: 221 *\nS: EOF")
		require.Equal(t, []string{"a\r\r\n"}, r.mail(t, "alice"))
	})
}

// SMTP smuggling: what is nearly CR LF . CR LF is not the end of a message, so
// that no server in front of this one can be made to let two messages through for
// one.
func TestSmuggling(t *testing.T) {
	ends := []string{"\n", "\r", "\r\n", "\r\r\n", "\n\n", "\x00\n", "\r\x00\n", "\r\n\x00", "\x00\r\n", "\n\x00", "\n\r"}
	everyTransport(t, func(t *testing.T, r *running, d *dialogue) {
		var want []string
		for _, before := range ends {
			for _, after := range ends {
				if strings.HasSuffix(before, "\r\n") && strings.HasPrefix(after, "\r\n") {
					continue // this is the end
				}
				wire := "Subject: a\r\n\r\na" + before + "." + after + envelope + "DATA\r\nevil" + before + "." + after + "\r\n.\r\n"
				message, rest, ended := reference(wire)
				require.True(t, ended)
				require.Empty(t, rest)
				for _, pieces := range [][]string{{wire}, strings.Split(wire, "")} {
					d.send(append([]string{envelope, "DATA\r\n"}, pieces...)...)
					d.play(dataAnswers(r.Protocol))
					want = append(want, canonical(message))
				}
			}
		}
		require.Equal(t, want, r.mail(t, "alice"))
	})
}

// A line may be as long as the message may be.
func TestLongLines(t *testing.T) {
	everyTransport(t, func(t *testing.T, r *running, d *dialogue) {
		d.conn.SetDeadline(time.Now().Add(patience))
		var want []string
		for _, octets := range []int{998, 8191, 8192, 8193, 70_000, 1 << 20, 5 << 20} {
			line := strings.Repeat("x", octets) + "\r\n"
			d.send(envelope, "DATA\r\n", line, ".\r\n")
			d.play(dataAnswers(r.Protocol))
			d.send(envelope, "BDAT "+itoa(len(line))+" LAST\r\n", line)
			d.play("S: 250 2.1.0 *\nS: 250 2.1.5 *\n" + ok(r.Protocol))
			want = append(want, line, line)
		}
		got := r.mail(t, "alice")
		require.Len(t, got, len(want))
		for i, text := range got {
			require.True(t, text == want[i], "%d octets instead of %d", len(text), len(want[i]))
		}
	})
}

// countingStore counts how often it reads.
type countingStore struct{ reads int }

func (s *countingStore) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	p := make([]byte, 4<<10)
	for {
		s.reads++
		if _, err := body.Read(p); err == io.EOF {
			return make([]mailbox.Result, len(delivery.Recipients)), nil
		} else if err != nil {
			return nil, err
		}
	}
}

// Lines that begin with a dot come many at once, too: or else a client could make
// the server work for each of a million.
func TestDotsComeManyAtOnce(t *testing.T) {
	store := new(countingStore)
	r := newServer(lmtp.SMTP)
	r.Appender = store
	conn := &script{input: "EHLO x\r\n" + envelope + "DATA\r\n" + strings.Repeat("..\r\n", 10_000) + ".\r\nQUIT\r\n"}
	require.NoError(t, r.ServeConn(t.Context(), conn))
	require.Less(t, store.reads, 100)
}

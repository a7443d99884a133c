package pop3_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3/pop3test"
)

// Every dialogue is played over every kind of connection that it names, with
// every way of writing: the answers are the same octets.
func TestDialogues(t *testing.T) {
	for _, d := range readDialogues(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for _, over := range d.over {
				for _, how := range d.writings {
					require.NoError(t, d.run(t, over, how, d.lines, pop3test.Patience), "over %s", over)
				}
			}
		})
	}
}

// The player notices a change in any line of the server, of any dialogue.
func TestDialogueWithAMistakeFails(t *testing.T) {
	for _, d := range readDialogues(t) {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			for i, l := range d.lines {
				if l.kind != serverSays {
					continue
				}
				lines := slices.Clone(d.lines)
				lines[i].text = misprint(l.text)
				require.Error(t, d.run(t, d.over[0], d.writings[0], lines, pop3test.Patience), "line %d", l.number)
			}
		})
	}
}

// misprint changes one letter in the middle.
func misprint(text string) string {
	at := (len(text) - len("\r\n")) / 2
	return text[:at] + "~" + text[at+1:]
}

// The player notices lines that are missing and lines that are too many.
func TestDialogueWithAMissingOrSurplusAnswerFails(t *testing.T) {
	const head = "# RFC 1939\nover: plain\nuser: mrose secret\n"
	for name, body := range map[string]string{
		"an answer too few":         "S: +OK POP3 server ready\nC: QUIT\n<the server closes the connection>",
		"the last line too few":     "S: +OK POP3 server ready\nC: CAPA\nS: +OK capabilities follow\n<the client closes its side>",
		"an answer too many":        "S: +OK POP3 server ready\nC: QUIT\nS: +OK bye\nS: +OK bye\n<the server closes the connection>",
		"no close":                  "S: +OK POP3 server ready\nC: STAT\nS: -ERR log in first\n<the server closes the connection>",
		"closed too early":          "S: +OK POP3 server ready\nC: QUIT\nS: +OK bye\nC: QUIT\nS: +OK bye\n<the server closes the connection>",
		"another line end":          "S: +OK POP3 server ready\nC: QUIT\nS> \"+OK bye\\n\"\n<the server closes the connection>",
		"a timestamp that is none":  "S: +OK POP3 server ready {timestamp}\nC: QUIT\nS: +OK bye\n<the server closes the connection>",
		"TLS that is not there":     "S: +OK POP3 server ready\nC: CAPA x\n<TLS negotiation>\nC: QUIT\nS: +OK bye\n<the server closes the connection>",
		"a blank too many, in raw":  "S: +OK POP3 server ready\nC: QUIT\nS> \"+OK bye \\r\\n\"\n<the server closes the connection>",
		"answered, it goes nowhere": "S: +OK POP3 server ready\nC: NOOP\nS: +OK\nC: QUIT\nS: +OK bye\n<the server closes the connection>",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := parseDialogue("mistake", head+body)
			require.NoError(t, err)
			const soon = 200 * time.Millisecond // client and server wait for each other
			require.Error(t, d.run(t, "plain", lockStep, d.lines, soon))
		})
	}
}

// The player notices that the mailbox is not what the dialogue leaves, which no
// answer shows.
func TestDialogueLeavesTheMaildropAsItSays(t *testing.T) {
	const text = `# RFC 1939
over: plain-insecure
user: mrose secret
message: 120 octets
S: +OK POP3 server ready
C: USER mrose
S: +OK send PASS
C: PASS secret
S: +OK maildrop has 1 messages
C: DELE 1
S: +OK message 1 deleted
C: QUIT
S: +OK bye
<the server closes the connection>`
	d, err := parseDialogue("left", text)
	require.NoError(t, err)
	require.ErrorContains(t, d.run(t, d.over[0], lockStep, d.lines, pop3test.Patience), "maildrop")
	d.left = []int{}
	require.NoError(t, d.run(t, d.over[0], lockStep, d.lines, pop3test.Patience))
}

// A dialogue with a typing error in it is not parsed.
func TestDialogueIsParsedStrictly(t *testing.T) {
	const good = "# RFC 1939\nover: plain\nS: +OK\n<the server closes the connection>\n"
	_, err := parseDialogue("good", good)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"no RFC":             strings.Replace(good, "RFC", "", 1),
		"no connection":      strings.Replace(good, "over: plain\n", "", 1),
		"no end":             strings.Replace(good, "<the server closes the connection>\n", "", 1),
		"unknown key":        strings.Replace(good, "over:", "ovr: x\nover:", 1),
		"unknown event":      strings.Replace(good, "<the", "<thw", 1),
		"no tag":             strings.Replace(good, "S: ", "", 1),
		"invisible blank":    strings.Replace(good, "+OK", "+OK ", 1),
		"head in the body":   strings.Replace(good, "<the", "user: a b\n<the", 1),
		"raw without quotes": strings.Replace(good, "S: ", "S> ", 1),
		"client first":       strings.Replace(good, "S: ", "C: ", 1),
	} {
		_, err := parseDialogue(name, text)
		require.Error(t, err, name)
	}
}

// run plays lines against a server of their own.
func (d *dialogue) run(t testing.TB, over string, how writing, lines []line, patience time.Duration) error {
	server, store := d.start(t, over)
	defer server.Close(t)
	before := uidls(t, store, d.owner)

	p, err := d.connect(server, over, how, patience)
	if err != nil {
		return err
	}
	defer func() { p.conn.Close() }()
	if strings.HasPrefix(over, "stls") {
		if lines, err = p.beginTLS(lines); err != nil {
			return err
		}
	}
	if err := p.play(lines); err != nil {
		return err
	}
	want := before
	if d.left != nil {
		want = []string{}
		for _, n := range d.left {
			want = append(want, before[n-1])
		}
	}
	if got := uidls(t, store, d.owner); !slices.Equal(got, want) {
		return fmt.Errorf("the maildrop has %q now, the dialogue leaves %q", got, want)
	}
	return nil
}

func (d *dialogue) connect(server *pop3test.Server, over string, how writing, patience time.Duration) (*player, error) {
	config := server.ClientTLS()
	if strings.HasPrefix(over, "tls") {
		conn, err := tls.Dial("tcp", server.AddrTLS, config)
		if err != nil {
			return nil, err
		}
		return newPlayer(conn, config, how, patience), nil
	}
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		return nil, err
	}
	return newPlayer(conn, config, how, patience), nil
}

// beginTLS reads the greeting and begins TLS, for a dialogue that does not do
// so itself. It returns the rest of the dialogue.
func (p *player) beginTLS(lines []line) ([]line, error) {
	return lines[1:], p.play([]line{
		lines[0],
		{kind: clientSays, text: "STLS\r\n"},
		{kind: serverSays, text: "+OK begin TLS\r\n"},
		{kind: negotiateTLS},
	})
}

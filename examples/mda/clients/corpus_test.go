package clients

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// message is one message of the corpus.
type message struct {
	name string // what is special about it
	id   string // its Message-ID, by which it is recognised
	sent []byte // as the sender has it

	// chunked messages are sent by BDAT (RFC 3030), since DATA cannot carry a
	// message that does not end in CRLF.
	chunked bool

	// exact messages are not kept unchanged by an mbox, or by a client that
	// parses header fields. Only clients that return the octets as they come
	// get them.
	exact bool
}

// wire is the message as POP3 carries it: every line ends in CRLF, a bare CR is
// content. It is implemented a second time here, in the most obvious way, so
// that it shares no bug with the code under test.
func (m message) wire() []byte {
	text := bytes.ReplaceAll(bytes.ReplaceAll(m.sent, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	switch {
	case len(text) == 0 || bytes.HasSuffix(text, []byte("\n")):
		return text
	case bytes.HasSuffix(text, []byte("\r")):
		return append(text, '\n')
	}
	return append(text, '\r', '\n')
}

// corpus is the mail that every client gets. tag makes its Message-IDs unique.
func corpus(tag string) []message {
	var messages []message
	add := func(name string, m message, header, body string) {
		m.name = name
		m.id = fmt.Sprintf("%s.%s@corpus.example", name, tag)
		head := fmt.Sprintf("From: Sender <sender@corpus.example>\r\nTo: reader@corpus.example\r\n"+
			"Subject: %s\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\nMessage-ID: <%s>\r\n%s", name, m.id, header)
		m.sent = []byte(head + body)
		messages = append(messages, m)
	}
	data, chunked := message{}, message{chunked: true}
	utf8 := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
	latin1 := strings.Replace(utf8, "utf-8", "iso-8859-1", 1)

	add("plain", data, "", "\r\nA line.\r\n\r\nAnother line.\r\n")
	add("eight-bit-utf8", data, utf8, "\r\nGrüße aus Kölln, 日本語, 🥃.\r\n")
	add("eight-bit-octets", data, latin1, "\r\n"+octets(0x80, 0xff)+"\r\n"+octets(0xa0, 0xff)+"\r\n")
	add("controls", data, latin1, "\r\n"+strings.NewReplacer("\n", "", "\r", "").Replace(octets(0x01, 0x1f))+"\x7f\r\n")
	add("utf8-header", data, "X-Rohrpost: Größe, 件名, 🥃\r\n"+utf8, "\r\nWith header fields as RFC 6532 has them.\r\n")
	add("leading-dots", data, "", "\r\n.\r\n..\r\n...\r\n.a\r\n..b\r\n. \r\n .\r\n.\r\n\r\n.\r\n")
	add("lone-dot", data, "", "\r\n.\r\n")
	add("lone-dot-in-the-middle", data, "", "\r\nBefore.\r\n.\r\nAfter.\r\n")
	add("looks-like-the-end", data, "", "\r\n.\r\nQUIT\r\n-ERR no\r\n+OK\r\n.\r\n")
	add("long-lines", data, "", "\r\n"+strings.Repeat("x", 998)+"\r\n"+strings.Repeat("y", 997)+"\r\n"+
		"."+strings.Repeat("z", 997)+"\r\n"+strings.Repeat(".", 998)+"\r\nend\r\n")
	add("long-header", data, "X-Long: "+strings.Repeat("h", 990)+"\r\nX-Folded: a\r\n\tb\r\n  c\r\n", "\r\nBody.\r\n")
	add("from-line", data, "", "\r\nFrom here on, an mbox needs care.\r\n\r\nFrom sender@corpus.example Mon Jan  1 10:00:00 2024\r\n\r\n>From quoted.\r\n>>From twice.\r\nFrom\r\n")
	add("blank-lines", data, "", "\r\n\r\n\r\nBetween blank lines.\r\n\r\n\r\n\r\n")
	add("white-space", data, "", "\r\ntrailing \r\ntab\t\r\n \r\n\t\r\n")
	add("empty-body", data, "", "\r\n")
	add("bare-cr", data, "", "\r\nA CR \r alone \r\r is content.\r\n")
	add("attachment-1MB", data, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n", attachment())
	add("text-1MB", data, "", "\r\n"+strings.Repeat("A line of a long text, and every 20th starts with a dot.\r\n", 20)+
		strings.Repeat(strings.Repeat("A line of a long text, and every 20th starts with a dot.\r\n", 19)+".dot\r\n", 1000))

	add("no-final-line-end", chunked, "", "\r\nThe last line has no end.")
	add("final-dot", chunked, "", "\r\nThe last line is a dot without an end.\r\n.")
	add("bare-lf", chunked, "", "\r\nmixed\nline\r\nends\n\nand dots\n.\n..\n.a\r\n")
	messages = append(messages, message{name: "all-bare-lf", id: "all-bare-lf." + tag + "@corpus.example", chunked: true,
		sent: []byte("Subject: all-bare-lf\nMessage-ID: <all-bare-lf." + tag + "@corpus.example>\n\nunix\n.\nline ends\n")})

	// DATA can carry this, though few senders send it: only CRLF.CRLF is the
	// end, and only a dot after CRLF was doubled.
	add("bare-lf-by-data", data, "", "\r\nmixed\nline\r\nends\n.\nand dots\n..\n.\r\nQUIT\r\n\n.\r\n.\n.a\r\n")

	// For the clients that return the octets as they come.
	exact, exactChunked := message{exact: true}, message{exact: true, chunked: true}
	add("final-cr", exactChunked, "", "\r\nThe last line ends in a CR.\r")
	add("cr-before-the-line-end", exactChunked, "", "\r\nTwo CRs and a LF.\r\r\n.dot\r\n.\r\r\n..\r\n\r\r\n")
	add("cr-before-the-line-end-by-data", exact, "", "\r\nTwo CRs and a LF.\r\r\n.dot\r\n.\r\r\n..\r\n\r\r\n")
	add("header-only", exactChunked, "X-Last: field\r\n", "")
	add("header-only-no-line-end", exactChunked, "X-Last: field", "")
	messages = append(messages, message{name: "dot-first", id: "dot-first." + tag + "@corpus.example", exact: true,
		sent: []byte(".Dot: is the very first octet\r\nMessage-ID: <dot-first." + tag + "@corpus.example>\r\n\r\n.\r\n")})
	add("two-dots-as-the-whole-body", exact, "", "\r\n..\r\n")

	return messages
}

// tolerant leaves out what only octet-exact clients can return.
func tolerant(messages []message) []message {
	return slices.DeleteFunc(messages, func(m message) bool { return m.exact })
}

// byData are the messages that DATA can carry, which is all that most senders
// know, and one with a line of a megabyte.
func byData(tag string) []message {
	return append(slices.DeleteFunc(corpus(tag), func(m message) bool { return m.chunked }), longLine(tag))
}

// formed are messages as a sender is known to change them.
func formed(messages []message, form func(message) []byte) []message {
	messages = slices.Clone(messages)
	for i, m := range messages {
		messages[i].sent = form(m)
	}
	return messages
}

// longLine is a message with a line of a megabyte, which is longer than RFC 5321
// section 4.5.3.1.6 allows.
func longLine(tag string) message {
	id := "line-of-1MB." + tag + "@corpus.example"
	return message{name: "line-of-1MB", id: id, sent: []byte("From: sender@corpus.example\r\n" +
		"Date: Mon, 01 Jan 2024 10:00:00 +0000\r\nMessage-ID: <" + id + ">\r\n\r\nBefore.\r\n" + strings.Repeat("x", 1<<20) + "\r\n.After.\r\n")}
}

// many are n small messages, no two alike.
func many(n int, tag string) []message {
	messages := make([]message, n)
	for i := range messages {
		id := fmt.Sprintf("many-%d.%s@corpus.example", i, tag)
		messages[i] = message{name: fmt.Sprintf("many-%d", i), id: id, sent: []byte(fmt.Sprintf(
			"From: sender@corpus.example\r\nSubject: message %d\r\nMessage-ID: <%s>\r\n\r\n%s.%d\r\n", i, id, strings.Repeat("text\r\n", i%7), i))}
	}
	return messages
}

func octets(from, to byte) string {
	var text strings.Builder
	for c := int(from); c <= int(to); c++ {
		text.WriteByte(byte(c))
	}
	return text.String()
}

// attachment is a multipart body with a megabyte of noise in base64.
var attachment = sync.OnceValue(func() string {
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	encoded := base64.StdEncoding.EncodeToString(noise)
	var body strings.Builder
	body.WriteString("\r\n--cut\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n--cut\r\n" +
		"Content-Type: application/octet-stream; name=noise.bin\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for len(encoded) > 0 {
		line := encoded[:min(76, len(encoded))]
		encoded = encoded[len(line):]
		body.WriteString(line)
		body.WriteString("\r\n")
	}
	body.WriteString("--cut--\r\n")
	return body.String()
})

// same compares the messages that a client has with the wire form of those that
// were sent. form is what the client is known to do to a message (turn CRLF
// into LF, say), and is applied to the wire form first; nil means nothing.
func same(t *testing.T, got [][]byte, want []message, form func([]byte) []byte) {
	t.Helper()
	const enough = 10
	errors := 0
	errorf := func(format string, args ...any) {
		t.Helper()
		if errors++; errors <= enough {
			t.Errorf(format, args...)
		}
	}
	defer func() {
		if errors > enough {
			t.Errorf("and %d messages more", errors-enough)
		}
	}()
	byID := make(map[string][]byte, len(got))
	for _, text := range got {
		id := messageID(text)
		if _, twice := byID[id]; twice {
			errorf("message %q came twice", id)
		}
		byID[id] = text
	}
	for _, m := range want {
		text, ok := byID[m.id]
		if !ok {
			errorf("%s: did not come", m.name)
			continue
		}
		delete(byID, m.id)
		wanted := m.wire()
		if form != nil {
			wanted = form(wanted)
		}
		if !bytes.Equal(text, wanted) {
			errorf("%s: %s", m.name, difference(text, wanted))
		}
	}
	for id, text := range byID {
		errorf("message %q came, but was not sent: %.200q", id, text)
	}
}

// difference shows the first octets in which two texts differ.
func difference(got, want []byte) string {
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	around := func(text []byte) []byte { return text[max(0, at-30):min(len(text), at+40)] }
	return fmt.Sprintf("differs at octet %d:\n got %d octets ...%q...\nwant %d octets ...%q...", at, len(got), around(got), len(want), around(want))
}

var messageIDField = regexp.MustCompile(`(?mi)^Message-ID:[ \t]*<([^>]*)>`)

// inHeader is how many octets of a message are searched for its Message-ID:
// under the race detector, regular expressions are too slow for megabytes.
const inHeader = 4 << 10

func messageID(text []byte) string {
	if match := messageIDField.FindSubmatch(text[:min(inHeader, len(text))]); match != nil {
		return string(match[1])
	}
	return ""
}

// unix is what most clients do when they store a message: LF ends a line.
func unix(text []byte) []byte { return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) }

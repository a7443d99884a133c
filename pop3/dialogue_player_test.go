package pop3_test

import (
	"bufio"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The lines of a dialogue. testdata/dialogues/README says how they are written.
const (
	clientSays = iota
	serverSays
	negotiateTLS
	serverCloses
	clientCloses
)

// line is one line of a dialogue.
type line struct {
	kind   int
	text   string // with its line end
	number int    // in the file
}

// writing is how the client cuts its octets into writes. The answers must not
// depend on it.
type writing string

const (
	lockStep    writing = "a command a write"       // each waits for the answer before it
	pipelined   writing = "all commands at once"    // RFC 2449 section 6.6
	octetByOnes writing = "one octet at each write" // TCP keeps no borders
)

// player plays the client of a dialogue and compares the server's answers,
// octet for octet.
type player struct {
	conn     net.Conn
	in       *bufio.Reader
	tls      *tls.Config
	how      writing
	patience time.Duration

	timestamp string // of the greeting
	said      string // by the client, since its last flush
	lastSaid  string
	awaited   []line
}

func newPlayer(conn net.Conn, config *tls.Config, how writing, patience time.Duration) *player {
	return &player{conn: conn, in: bufio.NewReader(conn), tls: config, how: how, patience: patience}
}

// play plays lines, and returns the first difference as an error.
func (p *player) play(lines []line) error {
	for _, l := range lines {
		if err := p.step(l); err != nil {
			return fmt.Errorf("line %d, %s: %w", l.number, p.how, err)
		}
	}
	return p.flush()
}

func (p *player) step(l line) error {
	switch l.kind {
	case serverSays:
		p.awaited = append(p.awaited, l)
		return nil
	case clientSays:
		if p.mustWait() {
			if err := p.flush(); err != nil {
				return err
			}
		}
		text, err := p.expand(l.text)
		p.said += text
		p.lastSaid = text
		return err
	}
	if err := p.flush(); err != nil {
		return err
	}
	switch l.kind {
	case negotiateTLS:
		return p.negotiate()
	case clientCloses:
		if err := p.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			return err
		}
	}
	return p.expectEnd()
}

// mustWait reports whether the client must read the answers before it goes on.
// The greeting comes first, and an AUTH exchange cannot be pipelined.
func (p *player) mustWait() bool {
	if len(p.awaited) == 0 {
		return false
	}
	last := p.awaited[len(p.awaited)-1].text
	return p.how != pipelined || p.said == "" || strings.HasPrefix(last, "+ ") ||
		strings.HasPrefix(strings.ToUpper(p.lastSaid), "AUTH")
}

// flush sends what the client has said, and reads the answers to it.
func (p *player) flush() error {
	p.conn.SetDeadline(time.Now().Add(p.patience))
	step := max(len(p.said), 1)
	if p.how == octetByOnes {
		step = 1
	}
	for said := p.said; said != ""; said = said[min(step, len(said)):] {
		if _, err := io.WriteString(p.conn, said[:min(step, len(said))]); err != nil {
			return fmt.Errorf("send %q: %w", p.said, err)
		}
	}
	p.said = ""
	for _, l := range p.awaited {
		if err := p.expect(l); err != nil {
			return fmt.Errorf("line %d: %w", l.number, err)
		}
	}
	p.awaited = nil
	return nil
}

var timestampForm = regexp.MustCompile(`<[!-;=?A-~]+@[!-;=?A-~]+>`)

func (p *player) expect(l line) error {
	got := ""
	for got == "" || len(got) < len(l.text) && strings.HasPrefix(l.text, got) {
		more, err := p.in.ReadString('\n')
		got += more
		if err != nil {
			return fmt.Errorf("the server said %q, then %v; the dialogue has %q", got, err, l.text)
		}
	}
	want := l.text
	if strings.Contains(want, "{timestamp}") {
		p.timestamp = timestampForm.FindString(got)
		want = strings.ReplaceAll(want, "{timestamp}", p.timestamp)
		if p.timestamp == "" {
			return fmt.Errorf("no timestamp in %q", got)
		}
	}
	if got != want {
		return fmt.Errorf("the server said %q, the dialogue has %q", got, want)
	}
	return nil
}

func (p *player) negotiate() error {
	if p.in.Buffered() > 0 {
		rest, _ := p.in.Peek(p.in.Buffered())
		return fmt.Errorf("the server said more before TLS: %q", rest)
	}
	secure := tls.Client(p.conn, p.tls)
	if err := secure.Handshake(); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	p.conn, p.in = secure, bufio.NewReader(secure)
	return nil
}

func (p *player) expectEnd() error {
	rest, err := io.ReadAll(p.in)
	var timeout net.Error
	switch {
	case len(rest) > 0:
		return fmt.Errorf("the server said more: %q", rest)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the server did not close the connection")
	}
	return nil
}

var macroForm = regexp.MustCompile(`\{(base64|repeat|digest) ([^{}]*)\}`)

// expand replaces the {...} of a client's line.
func (p *player) expand(text string) (string, error) {
	var failed error
	text = macroForm.ReplaceAllStringFunc(text, func(macro string) string {
		parts := macroForm.FindStringSubmatch(macro)
		value, err := p.expandMacro(parts[1], parts[2])
		if err != nil {
			failed = fmt.Errorf("%s: %w", macro, err)
		}
		return value
	})
	return text, failed
}

func (p *player) expandMacro(name, argument string) (string, error) {
	switch name {
	case "digest":
		sum := md5.Sum([]byte(p.timestamp + argument))
		return hex.EncodeToString(sum[:]), nil
	case "base64":
		octets, err := strconv.Unquote(argument)
		return base64.StdEncoding.EncodeToString([]byte(octets)), err
	}
	times, text, _ := strings.Cut(argument, " ")
	n, err := strconv.Atoi(times)
	if err != nil {
		return "", err
	}
	text, err = strconv.Unquote(text)
	return strings.Repeat(text, n), err
}

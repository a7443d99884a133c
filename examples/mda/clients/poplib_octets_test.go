package clients

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

//go:embed testdata/poplib_octets.py
var poplibOctets string

// TestPoplibHasTheOctetsOfAnyMessage sends messages of any octets, and takes
// Python's poplib to undo the byte-stuffing: that leaves the canonical form of
// what is in the store, octet for octet, and of TOP too (RFC 1939 section 3). It
// tries up to 20 messages for each of -rapid.checks.
func TestPoplibHasTheOctetsOfAnyMessage(t *testing.T) {
	t.Parallel()
	store := new(rawStore)
	anybody := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) { return login.User, nil })
	server := pop3test.NewServer(t, pop3.Login(anybody, store))
	ask := startPoplib(t)
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.SliceOfN(anyMessage, 1, 20).Draw(t, "messages")
		lines := rapid.IntRange(0, 5).Draw(t, "lines")
		store.hold(sent)
		got := ask(t, map[string]any{"host": server.Host, "port": server.Port, "user": anna, "lines": lines})
		if len(got.Messages) != len(sent) {
			t.Fatalf("%d messages, want %d", len(got.Messages), len(sent))
		}
		for i, text := range sent {
			wanted := message{sent: []byte(text)}.wire()
			if !bytes.Equal(got.Messages[i], wanted) {
				t.Errorf("message %q: %s", text, difference(got.Messages[i], wanted))
			}
			if wanted := topByLines(wanted, lines); !bytes.Equal(got.Tops[i], wanted) {
				t.Errorf("TOP of %q, %d lines: %s", text, lines, difference(got.Tops[i], wanted))
			}
			if got.Sizes[i] != len(wanted) || got.Counted[i] != len(wanted) {
				t.Errorf("message %q: LIST says %d, poplib counts %d octets, want %d", text, got.Sizes[i], got.Counted[i], len(wanted))
			}
		}
	})
}

// anyMessage are messages made of what byte-stuffing and line ends are about.
var anyMessage = rapid.Custom(func(t *rapid.T) string {
	pieces := rapid.SliceOfN(rapid.OneOf(
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", ".", "..", "\n.", "\r.", "\r\n.\r\n", "\r\n\r\n", "\x00", " ", "\xff", "a", "-ERR", "+OK"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(octets []byte) string { return string(octets) }),
		rapid.Map(rapid.IntRange(1, 40_000), func(n int) string { return strings.Repeat("x", n) }),
	), 0, 20).Draw(t, "pieces")
	return strings.Join(pieces, "")
})

// topByLines is the top of a message in canonical form, line by line.
func topByLines(text []byte, lines int) (top []byte) {
	inBody := false
	for line := range bytes.Lines(text) {
		if inBody {
			if lines == 0 {
				break
			}
			lines--
		}
		top = append(top, line...)
		inBody = inBody || string(line) == "\r\n"
	}
	return top
}

// rawStore is a store with one mailbox. It gives octets as they are, some of them
// one at a time, and some messages in canonical form, which spares the server a
// look.
type rawStore struct {
	mutex    sync.Mutex
	messages []string
}

func (s *rawStore) hold(messages []string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.messages = messages
}

func (s *rawStore) Open(context.Context, mailbox.Login) (mailbox.Mailbox, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return rawMailbox(s.messages), nil
}

func (s *rawStore) Close(context.Context) error { return nil }

type rawMailbox []string

func (m rawMailbox) Messages(context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for i := range m {
			if !yield(mailbox.Message{ID: strconv.Itoa(i), Size: -1}, nil) {
				return
			}
		}
	}
}

func (m rawMailbox) Open(_ context.Context, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
	i, err := strconv.Atoi(id)
	if err != nil {
		return nil, err
	}
	switch {
	case i%3 == 1 && len(m[i]) < 1000:
		return io.NopCloser(iotest.OneByteReader(strings.NewReader(m[i]))), nil
	case i%3 == 2:
		return canonicalBody{bytes.NewReader(message{sent: []byte(m[i])}.wire())}, nil
	}
	return io.NopCloser(strings.NewReader(m[i])), nil
}

// canonicalBody is a body that is in canonical form.
type canonicalBody struct{ io.Reader }

func (canonicalBody) Close() error      { return nil }
func (canonicalBody) IsCanonical() bool { return true }

func (m rawMailbox) Delete(context.Context, []string) error { return errors.New("nothing was marked") }

func (m rawMailbox) Close() error { return nil }

// retrieved is what poplib had of one maildrop.
type retrieved struct {
	Sizes, Counted []int
	Messages, Tops [][]byte
}

// startPoplib starts a Python that retrieves maildrops until the test ends, and
// returns what asks it for one.
func startPoplib(t *testing.T) func(t *rapid.T, request any) retrieved {
	python := need(t, "python3", "python3")
	script := write(t, filepath.Join(t.TempDir(), "poplib_octets.py"), poplibOctets)
	cmd := command(t.Context(), t.TempDir(), python, "-I", script)
	stderr := new(record)
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
		_ = child.KillGroup(cmd)
	})
	requests, answers := json.NewEncoder(stdin), json.NewDecoder(stdout)
	return func(t *rapid.T, request any) (got retrieved) {
		if err := requests.Encode(request); err != nil {
			t.Fatalf("%v\n%s", err, stderr.tail())
		}
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("%v\n%s", err, stderr.tail())
		}
		return got
	}
}

package pop3_test

import (
	"context"
	"crypto/tls"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// point is a point in a host's code at which a test makes something happen.
type point string

const (
	inNewSession     point = "NewSession"
	inLogin          point = "Login"
	inMechanisms     point = "Mechanisms"
	inStartSASL      point = "StartSASL"
	inNext           point = "Next"
	inUser           point = "User"
	inExchangeOpen   point = "SASLExchange.Mailbox"
	inAPOPEnabled    point = "APOPEnabled"
	inAPOP           point = "APOP"
	inMessages       point = "Messages"
	amidMessages     point = "Messages, after the first"
	inOpen           point = "Open"
	inRead           point = "Read"
	amidRead         point = "Read, in the middle"
	inBodyClose      point = "Close of a body"
	inDelete         point = "Delete"
	inMailboxClose   point = "Mailbox.Close"
	inSessionClose   point = "Session.Close"
	inConnectHook    point = "Hooks.Connect"
	inTLSHook        point = "Hooks.TLS"
	inAuthHook       point = "Hooks.Auth"
	inCommandHook    point = "Hooks.Command"
	inFaultHook      point = "Hooks.Fault"
	inCloseHook      point = "Hooks.Close"
	inCapabilities   point = "Capabilities"
	inConnContext    point = "ConnContext"
	inLog            point = "Logger"
	unknownMechanism       = "TEST"
)

// fakeHost is a Handler, its sessions, SASL exchanges and mailboxes. A test can
// make each of their methods fail. Every password is right.
type fakeHost struct {
	bodies []string // of the messages of each session
	sizes  []int64  // as listed; nil: the right ones

	mu       sync.Mutex
	at       map[point]func(context.Context) error
	calls    map[point]int
	failures map[point]int
	deleted  []string // IDs
}

func newFakeHost(bodies ...string) *fakeHost {
	return &fakeHost{
		bodies:   bodies,
		at:       make(map[point]func(context.Context) error),
		calls:    make(map[point]int),
		failures: make(map[point]int),
	}
}

// set makes calls of p call f; nil ends that.
func (h *fakeHost) set(p point, f func(context.Context) error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at[p] = f
}

// clear ends what set began.
func (h *fakeHost) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.at)
}

func (h *fakeHost) count(p point) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[p]
}

func (h *fakeHost) removed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.deleted
}

func (h *fakeHost) hit(ctx context.Context, p point) error {
	h.mu.Lock()
	f := h.at[p]
	h.calls[p]++
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	finished := false
	defer func() {
		if !finished {
			h.fail(p) // by an error, a panic or Goexit
		}
	}()
	err := f(ctx)
	finished = err == nil
	return err
}

func (h *fakeHost) fail(p point) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures[p]++
}

// succeeded counts the calls that returned without an error.
func (h *fakeHost) succeeded(points ...point) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range points {
		n += h.calls[p] - h.failures[p]
	}
	return n
}

// requireClosed fails the test unless everything that was opened was closed
// once.
func (h *fakeHost) requireClosed(t testing.TB) {
	t.Helper()
	require.Equal(t, h.succeeded(inNewSession), h.count(inSessionClose), "sessions closed")
	require.Equal(t, h.succeeded(inLogin, inExchangeOpen, inAPOP), h.count(inMailboxClose), "mailboxes closed")
	require.Equal(t, h.succeeded(inOpen), h.count(inBodyClose), "bodies closed")
}

func (h *fakeHost) NewSession(ctx context.Context, _ *pop3.Conn) (pop3.Session, error) {
	if err := h.hit(ctx, inNewSession); err != nil {
		return nil, err
	}
	return &hostSession{h}, nil
}

type hostSession struct{ host *fakeHost }

func (s *hostSession) open(ctx context.Context, p point) (mailbox.Mailbox, error) {
	if err := s.host.hit(ctx, p); err != nil {
		return nil, err
	}
	return &hostMailbox{s.host}, nil
}

func (s *hostSession) Login(ctx context.Context, _ mailbox.Login) (mailbox.Mailbox, error) {
	return s.open(ctx, inLogin)
}

func (s *hostSession) Mechanisms() []string {
	s.host.hit(context.Background(), inMechanisms)
	return []string{unknownMechanism}
}

func (s *hostSession) StartSASL(ctx context.Context, _ string, _ mailbox.Login) (pop3.SASLExchange, error) {
	if err := s.host.hit(ctx, inStartSASL); err != nil {
		return nil, err
	}
	return &hostExchange{s, 0}, nil
}

func (s *hostSession) APOPEnabled() bool {
	return s.host.hit(context.Background(), inAPOPEnabled) == nil
}

func (s *hostSession) APOP(ctx context.Context, _ mailbox.Login, _, _ string) (mailbox.Mailbox, error) {
	return s.open(ctx, inAPOP)
}

func (s *hostSession) Close() error { return s.host.hit(context.Background(), inSessionClose) }

// hostExchange sends one challenge, and accepts any response.
type hostExchange struct {
	*hostSession
	asked int
}

func (x *hostExchange) Next(ctx context.Context, _ []byte) ([]byte, bool, error) {
	if err := x.host.hit(ctx, inNext); err != nil {
		return nil, false, err
	}
	x.asked++
	if x.asked == 1 {
		return []byte("who?"), false, nil
	}
	return nil, true, nil
}

func (x *hostExchange) User() string {
	x.host.hit(context.Background(), inUser)
	return "demo"
}

func (x *hostExchange) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return x.open(ctx, inExchangeOpen)
}

type hostMailbox struct{ host *fakeHost }

func (m *hostMailbox) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for i, body := range m.host.bodies {
			p := inMessages
			if i > 0 {
				p = amidMessages
			}
			if err := m.host.hit(ctx, p); err != nil {
				yield(mailbox.Message{}, err)
				return
			}
			size := int64(len(naiveCanonical([]byte(body))))
			if m.host.sizes != nil {
				size = m.host.sizes[i]
			}
			if !yield(mailbox.Message{ID: hostID(i), Size: size}, nil) {
				return
			}
		}
	}
}

func hostID(i int) string { return string(rune('a' + i)) }

func (m *hostMailbox) Open(ctx context.Context, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
	if err := m.host.hit(ctx, inOpen); err != nil {
		return nil, err
	}
	body := m.host.bodies[id[0]-'a']
	return &hostBody{host: m.host, ctx: ctx, rest: strings.NewReader(body), half: len(body) / 2}, nil
}

func (m *hostMailbox) Delete(ctx context.Context, ids []string) error {
	if err := m.host.hit(ctx, inDelete); err != nil {
		return err
	}
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	m.host.deleted = append(m.host.deleted, ids...)
	return nil
}

func (m *hostMailbox) Close() error { return m.host.hit(context.Background(), inMailboxClose) }

// hostBody is a message that is read in two stretches.
type hostBody struct {
	host *fakeHost
	ctx  context.Context // of Open, as in a store that fetches a message in chunks
	rest *strings.Reader
	half int
}

func (b *hostBody) Read(p []byte) (int, error) {
	point := inRead
	if int(b.rest.Size())-b.rest.Len() >= b.half {
		point = amidRead
	}
	if err := b.host.hit(b.ctx, point); err != nil {
		return 0, err
	}
	if point == inRead && len(p) > b.half {
		p = p[:b.half]
	}
	return b.rest.Read(p)
}

func (b *hostBody) Close() error { return b.host.hit(b.ctx, inBodyClose) }

// hooks returns hooks that a test can make fail.
func (h *fakeHost) hooks() *pop3.Hooks {
	ctx := context.Background()
	return &pop3.Hooks{
		Connect: func(context.Context, *pop3.Conn) { h.hit(ctx, inConnectHook) },
		TLS:     func(context.Context, *pop3.Conn, tls.ConnectionState) { h.hit(ctx, inTLSHook) },
		Auth:    func(context.Context, *pop3.Conn, mailbox.Login, error) { h.hit(ctx, inAuthHook) },
		Command: func(context.Context, *pop3.Conn, pop3.CommandInfo) { h.hit(ctx, inCommandHook) },
		Fault:   func(context.Context, *pop3.Conn, error) { h.hit(ctx, inFaultHook) },
		Close:   func(context.Context, *pop3.Conn, pop3.SessionInfo) { h.hit(ctx, inCloseHook) },
	}
}

// hang blocks until its context ends.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// A fakeHost is a slog.Handler too.
func (h *fakeHost) Enabled(_ context.Context, l slog.Level) bool    { return l >= slog.LevelInfo }
func (h *fakeHost) Handle(ctx context.Context, _ slog.Record) error { return h.hit(ctx, inLog) }
func (h *fakeHost) WithAttrs([]slog.Attr) slog.Handler              { return h }
func (h *fakeHost) WithGroup(string) slog.Handler                   { return h }

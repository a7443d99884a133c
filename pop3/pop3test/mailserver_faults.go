package pop3test

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// faults are what a test has asked to go wrong.
type faults struct {
	mu       sync.Mutex
	refused  map[string]error // by user
	failures []error          // of the next deliveries
	drops    int              // deliveries whose answer is lost
	delay    time.Duration
	over     chan struct{} // closed with the test: nobody waits any more
}

// Refuse makes RCPT refuse an address with an error: one of package mailbox, such
// as [mailbox.ErrNoSuchUser], or an [*lmtp.Error], which has a code. nil makes it
// take the address again.
func (m *MailServer) Refuse(address string, err error) {
	m.t.Helper()
	user := m.canonical(address)
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	if m.faults.refused == nil {
		m.faults.refused = make(map[string]error)
	}
	m.faults.refused[user] = err
}

// FailNext makes the next delivery fail for all its recipients with an error: one
// of package mailbox, or an [*lmtp.Error]. [mailbox.ErrTemporary] is a 451, after
// which a sender should try again. Several calls are for several deliveries.
func (m *MailServer) FailNext(err error) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.failures = append(m.faults.failures, err)
}

// DropNext makes the server take the next message, and then break the connection
// instead of answering. The sender cannot know that the message was delivered,
// and should send it again.
func (m *MailServer) DropNext() {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.drops++
}

// Delay makes every delivery take so long, from now on. 0 makes them fast again.
func (m *MailServer) Delay(delay time.Duration) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.delay = delay
}

// directory is the directory of a mail server, with its faults.
type directory struct{ *MailServer }

func (d directory) Lookup(_ context.Context, address string) (string, error) {
	user, err := d.resolve(address)
	if err != nil {
		return "", err
	}
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	return user, d.faults.refused[user]
}

// appender is the store of a mail server, with its faults.
type appender struct{ *MailServer }

func (a appender) Append(ctx context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	delay, failure := a.faults.next()
	if failure != nil {
		if _, err := io.Copy(io.Discard, body); err != nil {
			return nil, err
		}
		return nil, failure
	}
	results, err := a.Store.Append(ctx, delivery, body)
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
		case <-a.faults.over:
		}
	}
	return results, err
}

// next takes what shall happen to a delivery.
func (f *faults) next() (delay time.Duration, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.failures) > 0 {
		failure, f.failures = f.failures[0], f.failures[1:]
	}
	return f.delay, failure
}

// drop reports whether an answer shall be lost.
func (f *faults) drop() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.drops == 0 {
		return false
	}
	f.drops--
	return true
}

package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Options are the limits and helpers of a [Store]. The zero value is good.
type Options struct {
	// MaxMessageSize is the largest message that Append takes, in octets of the
	// canonical form, with the recipient's own header. A larger one is
	// [mailbox.ErrTooLarge]. 0 means [mailbox.DefaultMaxMessageSize], 64 MiB;
	// negative means no limit.
	MaxMessageSize int64

	// Quota is how many octets a maildrop may hold, in files of whatever form.
	// A delivery that would pass it is [mailbox.ErrOverQuota]; deliveries at
	// the same moment may pass it together. It costs a listing per delivery.
	// 0 means no limit.
	Quota int64

	// KnownSizes is how many sizes of messages that other programs delivered
	// are kept in memory, about 200 octets each. 0 means 100,000, negative
	// none.
	KnownSizes int

	// Canonical makes a user name canonical, for Open and Append alike. nil
	// means [mailbox.CanonicalUser]. Two names with the same result are the
	// same user.
	Canonical func(user string) (string, error)

	// OnError is called with a [*mailbox.ListenerError] for every event that a
	// listener failed. It may be nil, must not block, and may be called from
	// several goroutines.
	OnError func(error)
}

const (
	defaultKnownSizes = 100_000
	maxKnownHomes     = 100_000
)

// Store keeps a Maildir per user below one directory. It is a [mailbox.Store]
// and a [mailbox.Appender], safe for concurrent use, by other processes too.
type Store struct {
	options   Options
	dir       string // absolute
	root      *os.Root
	mint      mint
	locker    locker
	listeners mailbox.Listeners

	homes bounded[string, time.Time] // directories known to be durable, and when their tmp was swept
	sizes bounded[messageKey, int64] // where the name of a file tells none or a wrong one

	fault func(step) error // makes a step fail, in tests; otherwise nil

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

type messageKey struct{ dir, id string }

// New opens the store in directory dir and makes it if it is not there. The
// directory's permissions, where it is new, are 0700, and so are those of the
// maildrops.
func New(dir string, options Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("maildir: open store: %w", err)
	}
	if err := makeDurableDir(dir); err != nil {
		return nil, fmt.Errorf("maildir: open store: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("maildir: open store: %w", err)
	}
	s := &Store{options: options, dir: dir, root: root}
	s.mint.now = time.Now
	s.homes.limit = maxKnownHomes
	s.sizes.limit = cmp.Or(options.KnownSizes, defaultKnownSizes)
	s.listeners.OnError = options.OnError
	s.options.MaxMessageSize = cmp.Or(options.MaxMessageSize, mailbox.DefaultMaxMessageSize)
	if s.options.Canonical == nil {
		s.options.Canonical = mailbox.CanonicalUser
	}
	return s, nil
}

// Listen adds a listener: it hears of what this store delivers and removes from
// now on, not of what other programs do.
func (s *Store) Listen(listener mailbox.Listener) { s.listeners.Listen(listener) }

// Open opens the maildrop of login.User. Any number of sessions may have one
// open. A user without a directory has an empty maildrop, and gets none by
// looking.
func (s *Store) Open(_ context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if err := s.begin(); err != nil {
		return nil, failed("open maildrop", err)
	}
	defer s.work.Done()
	user, err := s.options.Canonical(login.User)
	if err != nil {
		return nil, failed("open maildrop", err)
	}
	return &session{store: s, user: user, dir: userDir(user)}, nil
}

// Close waits for deliveries that are under way and for the listeners, until
// ctx ends. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.work.Wait()
		close(done)
	}()
	var waiting error
	select {
	case <-done:
	case <-ctx.Done():
		waiting = fmt.Errorf("maildir: close: calls still at work: %w", ctx.Err())
	}
	return errors.Join(waiting, s.listeners.Close(ctx), s.root.Close())
}

// begin is called before any work, and s.work.Done after it.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return mailbox.ErrClosed
	}
	s.work.Add(1)
	return nil
}

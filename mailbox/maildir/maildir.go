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

	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
)

// Options are the limits and helpers of a [Store]. The zero value is good.
type Options struct {
	// MaxMessageSize is the largest message that Append takes, in octets of the
	// canonical form, with the recipient's own header. A larger one is
	// [mailbox.ErrTooLarge]. 0 means [mailbox.DefaultMaxMessageSize], 64 MiB;
	// negative means no limit.
	MaxMessageSize int64

	// Quota is how much one mailbox holds, in octets of its files. A message
	// that does not fit is [mailbox.ErrOverQuota]; deliveries at the same moment
	// may exceed it together, and so may a file that another program renames at
	// that moment. It costs a listing per delivery. 0 means no limit.
	Quota int64

	// KnownSizes is how many sizes the store remembers of messages that other
	// programs delivered, about 200 octets of memory each. 0 means 100,000,
	// negative means none.
	KnownSizes int

	// Canonical makes user names canonical, for Open and Append alike. Two names
	// with the same result are the same user. nil means [mailbox.CanonicalUser].
	Canonical func(user string) (string, error)

	// OnError is called with a [*mailbox.ListenerError] for every event that a
	// listener failed, and once, with an error that is [errors.ErrUnsupported],
	// if the file system cannot sync directories. It may be nil, must not block,
	// and may be called from several goroutines.
	OnError func(error)
}

const (
	defaultKnownSizes = 100_000
	maxKnownHomes     = 100_000
)

// Store keeps a Maildir per user below one directory. It is a [mailbox.Store],
// a [mailbox.Appender] and a [mailbox.EventSource]. It is safe for concurrent
// use, and several processes may have a Store on one directory.
type Store struct {
	options   Options
	dir       string // absolute
	root      *os.Root
	mint      mint
	locker    locker
	listeners mailbox.Listeners

	homes cache[string, time.Time]     // directories known to be durable, and when their tmp was swept
	sizes cache[messageKey, knownSize] // of messages whose file name has none or a wrong one

	fault      func(step) error     // makes a step fail; nil except in tests
	syncing    func(*os.File) error // hears of a sync, and makes it fail; nil except in tests
	unsyncable sync.Once            // reports that directories cannot be synced

	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

type messageKey struct{ dir, id string }

// New opens the store in directory dir, which it makes if it is not there. The
// directories that the store makes have permissions 0700.
func New(dir string, options Options) (*Store, error) {
	s := &Store{options: options}
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("maildir: open store: %w", err)
	}
	return s, nil
}

func (s *Store) open(dir string) (err error) {
	options := s.options
	if s.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := s.makeDurableDir(s.dir); err != nil {
		return err
	}
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return err
	}
	s.mint.now = time.Now
	s.homes.limit = maxKnownHomes
	s.sizes.limit = cmp.Or(options.KnownSizes, defaultKnownSizes)
	s.listeners.OnError = options.OnError
	s.options.MaxMessageSize = cmp.Or(options.MaxMessageSize, mailbox.DefaultMaxMessageSize)
	if s.options.Canonical == nil {
		s.options.Canonical = mailbox.CanonicalUser
	}
	return nil
}

// Listen implements [mailbox.EventSource]. Listeners hear of what this Store
// delivers and removes, not of what other programs do.
func (s *Store) Listen(listener mailbox.Listener) { s.listeners.Listen(listener) }

// Open implements [mailbox.Store]. Any number of sessions may have one mailbox
// open. A user without a directory has an empty mailbox; opening it makes no
// directory. Open checks no credentials. Errors: [mailbox.ErrNoSuchUser] for a
// name that no user can have, and [mailbox.ErrClosed].
func (s *Store) Open(_ context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if err := s.begin(); err != nil {
		return nil, failed("open mailbox", err)
	}
	defer s.work.Done()
	user, err := s.options.Canonical(login.User)
	if err != nil {
		return nil, failed("open mailbox", err)
	}
	return &session{store: s, user: user, dir: userDir(user)}, nil
}

// Close implements [mailbox.Store]: it waits for the calls under way and for the
// listeners, until ctx ends. It may be called again.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()

	err := parallel.Wait(ctx, &s.work)
	if err != nil {
		err = fmt.Errorf("maildir: close: calls still at work: %w", err)
	}
	return errors.Join(err, s.listeners.Close(ctx), s.root.Close())
}

// begin is called at the start of a call, and s.work.Done at its end, so that
// Close can wait for it.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return mailbox.ErrClosed
	}
	s.work.Add(1)
	return nil
}

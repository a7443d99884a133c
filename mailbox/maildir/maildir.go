package maildir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
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

	// Expire is how long a message stays after the time in its name, unless it is
	// removed before. 0 is for ever. A session removes those that are older
	// before it lists the others: a mailbox that nobody opens keeps them. One
	// whose name does not begin with a time since 1995 and a dot stays. Less
	// than an hour is an error of [New]: it is most likely another unit.
	Expire time.Duration

	// KnownSizes is how many sizes the store remembers of messages that other
	// programs delivered, about 200 octets of memory each. 0 means 100,000,
	// negative means none.
	KnownSizes int

	// Canonical makes user names canonical, for Open and Append alike. Two names
	// with the same result are the same user. nil means [mailbox.CanonicalUser].
	Canonical func(user string) (string, error)

	// Dir returns the Maildir of a canonical user name: a path below the
	// directory of the store, with slashes and without "..", for instance
	// "example.org/bob/Maildir". Anything else is an error, and no user's
	// Maildir may be inside another's. An error that is
	// [mailbox.ErrNoSuchUser] refuses the user for good, any other for the
	// moment. A name may have slashes and everything else in it that a client
	// or a sender can think of: [DirName] makes one element of a path from it.
	// nil means [DirName].
	Dir func(user string) (string, error)

	// FileMode are the permissions of the files that the store makes, DirMode
	// those of the directories: fs.ModeSetgid|0o770 for a group of several
	// programs. The umask does not apply to them. What is there already is left
	// as it is. 0 means 0600 and 0700, less the umask.
	FileMode, DirMode fs.FileMode

	// FollowLinks allows a Maildir, or a directory that leads to it, to be a
	// symbolic link out of the directory of the store. Set it only if nobody
	// but the operator can make links there. Inside a Maildir such links stay
	// errors.
	FollowLinks bool

	// UIDL finds the unique-ids that another server has shown, so that its
	// clients do not fetch everything again: [DovecotUIDL] and [CourierUIDL]
	// read them from a file of that server. It is called for each listing, with
	// the Maildir, and the function that it returns once for each message, with
	// the name of the file. "" means the default, which is derived from the ID.
	// A unique-id must never change, and no two messages of a mailbox may have
	// the same: the server gives one of them another for the session.
	//
	// It is not asked about messages that a Store has delivered: they keep what
	// [mailbox.Result] has shown. An error fails the listing. nil means the
	// default for all.
	UIDL func(mailbox fs.FS) (uidl func(name string) string, err error)

	// OnError is called with a [*mailbox.ListenerError] for every event that a
	// listener failed, with an error if messages that are too old could not be
	// removed, and once, with an error that is [errors.ErrUnsupported],
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

// New opens the store in directory dir, which it makes if it is not there.
func New(dir string, options Options) (*Store, error) {
	s := &Store{options: options}
	if err := s.open(dir); err != nil {
		return nil, fmt.Errorf("maildir: open store: %w", err)
	}
	return s, nil
}

func (s *Store) open(dir string) (err error) {
	options := s.options
	if err := options.checkModes(); err != nil {
		return err
	}
	if options.Expire != 0 && options.Expire < time.Hour {
		return fmt.Errorf("the option Expire is %s: want an hour or more, or 0 for ever", options.Expire)
	}
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
	dir, err := s.userDir(user)
	if err != nil {
		return nil, failed("open mailbox", err)
	}
	return &session{store: s, user: user, dir: dir}, nil
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

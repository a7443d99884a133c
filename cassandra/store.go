package cassandra

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
)

// Store keeps mail in Cassandra, without lightweight transactions. It is a
// [mailbox.Store] and a [mailbox.Appender], and safe for concurrent use.
type Store struct {
	session   *Session
	owned     bool // Close closes the session
	db        cql.DB
	config    Config // the session's
	index     Index
	minter    minter
	crowds    crowds
	breaker   breaker // of reads of every data centre
	provable  breaker // of proofs, which need every replica
	purger    *purger
	repairs   background
	provers   background
	expiries  background
	listeners mailbox.Listeners
	met       counters
	opening   chan struct{} // of openBucket: one place

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
}

var (
	_ mailbox.Store       = (*Store)(nil)
	_ mailbox.Expirer     = (*Store)(nil)
	_ mailbox.Appender    = (*Store)(nil)
	_ mailbox.EventSource = (*Store)(nil)
)

// Open connects to a keyspace that [Migrate] has created, and returns a store
// with the index that a function makes: [projection.New], or a function of the
// host. [Store.Close] closes the connection too. Its errors are those of
// [Connect] and [NewStore], which a host calls by itself if it needs the
// session.
//
// [projection.New]: https://pkg.go.dev/github.com/popcask/popcask/projection#New
func Open[I Index](ctx context.Context, config Config, index func(*Session) I) (*Store, error) {
	session, err := Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	store, err := NewStore(session, index(session))
	if err != nil {
		session.Close()
		return nil, err
	}
	store.owned = true
	return store, nil
}

// NewStore returns a store with a session and an index. The index is required:
// a delivery is acknowledged when the index has listed it. The caller closes
// first the store, then the session.
func NewStore(session *Session, index Index) (*Store, error) {
	if session == nil || index == nil {
		return nil, errors.New("cassandra: NewStore needs a session and an index: see package projection")
	}
	s := &Store{session: session, db: session.db, config: session.config, index: index, crowds: newCrowds(session.config), opening: make(chan struct{}, 1)}
	s.breaker.now, s.provable.now = time.Now, time.Now // a clock that is set back must not keep them open
	s.purger = newPurger(s)
	s.repairs.name, s.repairs.work = "repairs", s.repairInBackground
	s.provers.name, s.provers.work, s.provers.atOnce = "proofs", s.proveInBackground, session.config.ProofWorkers
	s.expiries.name, s.expiries.work = "removals of what is too old", s.expireInBackground
	s.listeners.OnError = func(err error) { s.config.OnError(fmt.Errorf("cassandra: %w", err)) }
	return s, nil
}

// Session returns the session that the store uses.
func (s *Store) Session() *Session { return s.session }

// Mailbox is [Session.Mailbox].
func (s *Store) Mailbox(user string) (id MailboxID, canonical string, err error) {
	return s.session.Mailbox(user)
}

// Ready is [Session.Ready].
func (s *Store) Ready(ctx context.Context) error { return s.session.Ready(ctx) }

// Listen adds a listener. It is called with deliveries and removals after they
// are certain, in the background; its errors go to [Config.OnError]. Events
// that it misses, for example because the process was killed, [Store.Replay]
// repeats.
func (s *Store) Listen(listener mailbox.Listener) { s.listeners.Listen(listener) }

// Open implements [mailbox.Store]. It reads nothing: Messages does.
func (s *Store) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("cassandra: open mailbox: %w", err)
	}
	if s.isClosed() {
		return nil, fmt.Errorf("cassandra: open mailbox: %w", mailbox.ErrClosed)
	}
	id, user, err := s.Mailbox(login.User)
	if err != nil {
		return nil, fmt.Errorf("cassandra: open mailbox: %w", err)
	}
	s.repairs.remind(user)
	s.provers.remind(user)
	return &mailboxSession{store: s, id: id, user: user}, nil
}

// Close waits until the calls that are under way have ended, removed messages
// are purged and the listeners have been called, or until ctx ends. What is not
// purged then is left to [Store.Repair]. Close also closes the session if
// [Open] made the store.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := errors.Join(
		s.expiries.close(ctx),
		wait(ctx, &s.calls, "deliveries and removals"),
		s.provers.close(ctx),
		s.repairs.close(ctx),
		s.purger.close(ctx),
		s.listeners.Close(ctx),
	)
	if s.owned {
		s.session.Close()
	}
	return err
}

// enter begins a call that Close waits for. It fails after Close.
func (s *Store) enter() (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, mailbox.ErrClosed
	}
	s.calls.Add(1)
	return s.calls.Done, nil
}

func (s *Store) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// wait waits for a group or until ctx ends. what says, in the error, what it
// waits for.
func wait(ctx context.Context, group *sync.WaitGroup, what string) error {
	if err := parallel.Wait(ctx, group); err != nil {
		return fmt.Errorf("cassandra: close: %s still at work: %w", what, err)
	}
	return nil
}

// temporary makes an error temporary, as every failure of the cluster is. A
// name that no user can have, and a message that is too large, stay final.
func temporary(err error) error {
	switch {
	case err == nil, errors.Is(err, mailbox.ErrTemporary), errors.Is(err, mailbox.ErrNoSuchUser), errors.Is(err, mailbox.ErrTooLarge):
		return err
	}
	return fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
}

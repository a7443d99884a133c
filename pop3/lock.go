package pop3

import (
	"context"
	"fmt"
	"sync"

	"github.com/popcask/popcask/mailbox"
)

// Lock lets one session at a time have a maildrop, as RFC 1939 section 4 would
// have it. It must be safe for concurrent use. [LocalLock] is one in memory; a
// lease that several servers share could keep it elsewhere, but a server that
// dies, or a client that went away without a word, then keeps its users out for
// a while. A server needs none: sessions of one maildrop do not disturb each
// other, since message numbers are those of a session, and to remove a message
// twice is to remove it.
type Lock interface {
	// Lock takes the maildrop of login.User, the name that [Conn.User] returns.
	// [mailbox.ErrInUse] means that another session has it, and is answered with
	// the code IN-USE. The server calls unlock once, after the mailbox was
	// closed. login has no secrets. The context ends with Server.StoreTimeout, or
	// with the connection.
	Lock(ctx context.Context, login mailbox.Login) (unlock func(), err error)
}

// LocalLock is a [Lock] in memory, for the sessions of one process. The zero
// value is ready to use. Names are compared as [mailbox.CanonicalUser] spells
// them.
type LocalLock struct {
	mu   sync.Mutex
	held map[string]bool
}

// Lock implements [Lock]. It does not wait.
func (l *LocalLock) Lock(_ context.Context, login mailbox.Login) (unlock func(), err error) {
	user := canonicalOr(login.User)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[user] {
		return nil, fmt.Errorf("another session has the maildrop of %q: %w", user, mailbox.ErrInUse)
	}
	if l.held == nil {
		l.held = make(map[string]bool)
	}
	l.held[user] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.held, user)
	}, nil
}

// lock takes the maildrop of the user that has just logged in.
func (c *Conn) lock(ctx context.Context, login mailbox.Login) (err error) {
	if c.server.Lock == nil {
		return nil
	}
	c.unlock, err = c.server.Lock.Lock(ctx, login)
	return err
}

// giveUp gives the maildrop up, if the session has taken it.
func (c *Conn) giveUp() {
	if unlock := c.unlock; unlock != nil {
		c.unlock = nil
		unlock()
	}
}

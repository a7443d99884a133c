package pop3_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

const inUse = "-ERR [IN-USE] maildrop in use"

// RFC 1939 section 8, RFC 2449 section 8.1.2: a second session is told that the
// maildrop is in use, until the first one is over, however it ends.
func TestLock(t *testing.T) {
	store := newFakeStore("one")
	server := insecure(pop3.Login(pop3test.AnyPassword(), store))
	server.Lock, server.MaxAuthTries = new(pop3.LocalLock), -1
	login := func(client *piped, user string) string {
		client.Command("USER " + user)
		return client.Command("PASS x")
	}
	first := pipe(t, server)
	require.Equal(t, "+OK maildrop has 1 messages", login(first, "Mrose"))
	second := pipe(t, server)
	require.Equal(t, inUse, login(second, "mrose"))
	require.Equal(t, "+OK maildrop has 1 messages", login(pipe(t, server), "other"))
	require.Equal(t, "+OK bye", first.Command("QUIT"))
	<-first.over
	require.Equal(t, "+OK maildrop has 1 messages", login(second, "MROSE"))
	third := pipe(t, server)
	require.Equal(t, inUse, login(third, "mrose"))
	second.conn.Close() // without a word
	<-second.over
	require.Equal(t, "+OK maildrop has 1 messages", login(third, "mrose"))
}

// A login that fails after it has taken the maildrop gives it up, and so does
// one that breaks off.
func TestLockIsGivenUp(t *testing.T) {
	for name, fail := range map[string]func(*fakeHost){
		"listing":       func(h *fakeHost) { h.set(inMessages, func(context.Context) error { return mailbox.ErrTemporary }) },
		"panic":         func(h *fakeHost) { h.set(inMessages, func(context.Context) error { panic("here") }) },
		"close":         func(h *fakeHost) { h.set(inMailboxClose, func(context.Context) error { return errors.New("close") }) },
		"panic at last": func(h *fakeHost) { h.set(inMailboxClose, func(context.Context) error { panic("here") }) },
	} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost("one")
			lock := new(countingLock)
			server := insecure(host)
			server.Lock = lock
			fail(host)
			transcript(t, server, goodLogin+"QUIT\r\n")
			require.EqualValues(t, 1, lock.taken.Load())
			require.Zero(t, lock.held.Load())
		})
	}
}

// countingLock counts those who hold it.
type countingLock struct {
	taken, held atomic.Int64
	err         error
}

func (l *countingLock) Lock(_ context.Context, login mailbox.Login) (func(), error) {
	if login.Password != "" {
		return nil, errors.New("a secret")
	}
	if l.err != nil {
		return nil, l.err
	}
	l.taken.Add(1)
	l.held.Add(1)
	return func() { l.held.Add(-1) }, nil
}

// A lock that cannot say is a failure of the host, and nothing is held.
func TestLockThatFails(t *testing.T) {
	host := newFakeHost("one")
	server := insecure(host)
	server.Lock = &countingLock{err: mailbox.ErrTemporary}
	client := pipe(t, server)
	client.Command("USER demo")
	require.Equal(t, temporaryAnswer, client.Command("PASS x"))
	require.Equal(t, 1, host.count(inMailboxClose))
}

// noMailbox is a session that returns neither a mailbox nor an error.
type noMailbox struct{ nobody }

func (noMailbox) Login(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return nil, nil }

func TestLockOfASessionWithoutAMailbox(t *testing.T) {
	lock := new(countingLock)
	server := insecure(pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) { return noMailbox{}, nil }))
	server.Lock = lock
	require.Contains(t, transcript(t, server, goodLogin+"QUIT\r\n"), temporaryAnswer)
	require.Zero(t, lock.held.Load())
}

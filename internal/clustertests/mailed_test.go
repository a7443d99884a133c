package clustertests

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// mailed is the texts that were acknowledged, by user and ID, and those of the
// attempts that failed.
type mailed struct {
	mu      sync.Mutex
	acked   map[string]map[string]string
	failed  sync.Map     // by [2]string: user and text
	givenUp atomic.Int64 // attempts that the store could not undo
}

// onError is for [cassandra.Config.OnError]. The store says there which
// attempts it cannot undo, because too much of the cluster is away for too
// long: such a message may stay in its mailbox.
func (m *mailed) onError(err error) {
	if strings.Contains(err.Error(), "left to repair") {
		m.givenUp.Add(1)
	}
}

func (m *mailed) add(user, id, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.acked == nil {
		m.acked = make(map[string]map[string]string)
	}
	if m.acked[user] == nil {
		m.acked[user] = make(map[string]string)
	}
	m.acked[user][id] = text
}

func (m *mailed) of(user string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string)
	for id, text := range m.acked[user] {
		all[id] = text
	}
	return all
}

// sendUntil has a sender for each user, which delivers one message after the
// other until ctx ends, and each again while the error is temporary, as senders
// do. An acknowledged message must be listed in the next session (P1).
func (m *mailed) sendUntil(ctx context.Context, t *testing.T, store *cassandra.Store, users []string) (wait func() (refused int64)) {
	var group sync.WaitGroup
	var refused, sent atomic.Int64
	var slowest atomic.Int64
	for u, user := range users {
		group.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				text := fmt.Sprintf("Subject: %s %d\r\n\r\nmail\r\n", user, i)
				if i%5 == 4 {
					text = storetest.BigBody(uint64(u*1000+i), 150<<10)
				}
				for {
					start := time.Now()
					message, err := storetest.TryDeliver(t.Context(), store, user, text)
					slowest.Store(max(slowest.Load(), int64(time.Since(start))))
					if err != nil {
						refused.Add(1)
						m.failed.Store([2]string{user, text}, true)
						assert.ErrorIs(t, err, mailbox.ErrTemporary)
						if ctx.Err() != nil {
							return
						}
						continue
					}
					sent.Add(1)
					m.add(user, message.ID, text)
					break
				}
				mb, err := store.Open(t.Context(), mailbox.Login{User: user})
				if !assert.NoError(t, err) {
					return
				}
				listed, err := mailbox.List(t.Context(), mb)
				if err != nil {
					assert.ErrorIs(t, err, mailbox.ErrTemporary)
					continue
				}
				there := make(map[string]bool)
				for _, l := range listed {
					there[l.ID] = true
				}
				for id := range m.of(user) {
					assert.True(t, there[id], "P1: acknowledged, and not listed in a later session")
				}
			}
		})
	}
	return func() int64 {
		group.Wait()
		t.Logf("%d acknowledged, %d refused for now, the slowest took %s", sent.Load(), refused.Load(), time.Duration(slowest.Load()))
		return refused.Load()
	}
}

// soon returns the configuration of a host for which a message is young for two
// seconds, and waits until none is. Unlike [storetest.Later] it leaves the clock
// right: a host whose clock is wrong removes nothing.
func soon(t testing.TB, config cassandra.Config) cassandra.Config {
	t.Helper()
	config.Horizon = 2 * time.Second
	now := time.Now()
	storetest.Eventually(t, "no message is young any more", func() bool { return time.Since(now) > config.Horizon })
	return config
}

func (m *mailed) total() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.acked {
		n += len(of)
	}
	return n
}

// check reads all messages of the users, and compares them with what was
// acknowledged. More may be there only if the store said that it could not undo
// so many attempts, and then each is wholly the message of one that failed.
func (m *mailed) check(t *testing.T, store mailbox.Store, users []string) {
	t.Helper()
	var more int64
	for _, user := range users {
		want := m.of(user)
		storetest.Eventually(t, "no attempt that failed is listed, except those which could not be undone", func() bool {
			return more+int64(len(storetest.List(t, store, user))-len(want)) <= m.givenUp.Load()
		})
		found := storetest.Readable(t, store, user)
		for id, text := range found {
			if _, ok := want[id]; !ok {
				more++
				_, failed := m.failed.Load([2]string{user, text})
				assert.True(t, failed, "mailbox of %s: nobody delivered %.40q", user, text)
				delete(found, id)
			}
		}
		require.Equal(t, want, found, "mailbox of %s", user)
	}
	require.LessOrEqual(t, more, m.givenUp.Load())
	if n := m.givenUp.Load(); n > 0 {
		t.Logf("%d attempts could not be undone, %d of them are listed", n, more)
	}
}

package clustertests

import (
	"context"
	"fmt"
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

// mailed is the texts that were acknowledged, by user and ID.
type mailed struct {
	mu    sync.Mutex
	acked map[string]map[string]string
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

func (m *mailed) total() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, of := range m.acked {
		n += len(of)
	}
	return n
}

// check reads all messages of the users, and compares them with what was
// acknowledged.
func (m *mailed) check(t *testing.T, store mailbox.Store, users []string) {
	t.Helper()
	for _, user := range users {
		want := m.of(user)
		storetest.Eventually(t, "no attempt that failed is listed", func() bool { return len(storetest.List(t, store, user)) <= len(want) })
		require.Equal(t, want, storetest.Readable(t, store, user), "mailbox of %s", user)
	}
}

package memory_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

var _ mailbox.Expirer = (*memory.Store)(nil)

// A message that is too old is gone from the next session, the listeners and the
// quota; a session that is open keeps its listing.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory.Store{Expire: time.Hour, Quota: 12}
		var removed []string
		store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
			if event.Kind == mailbox.Removed {
				for _, m := range event.Messages {
					removed = append(removed, event.User+" "+m.ID)
				}
			}
			return nil
		}))
		deliver := func() error {
			_, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), strings.NewReader("five\r\n"))
			return err
		}
		list := func() (ids []string) {
			box, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
			require.NoError(t, err)
			messages, err := mailbox.List(t.Context(), box)
			require.NoError(t, err)
			for _, m := range messages {
				ids = append(ids, m.ID)
			}
			return ids
		}
		require.NoError(t, deliver())
		time.Sleep(time.Hour - 1)
		require.NoError(t, deliver())
		require.ErrorIs(t, deliver(), mailbox.ErrOverQuota)
		require.Equal(t, []string{"m1", "m2"}, list())
		time.Sleep(time.Nanosecond)
		require.NoError(t, deliver(), "the old one does not count for the quota")
		require.Equal(t, []string{"m2", "m3"}, list())
		time.Sleep(time.Hour)
		require.Empty(t, list())
		require.NoError(t, store.Close(t.Context()))
		require.Equal(t, []string{"bob m1", "bob m2", "bob m3"}, removed)
		require.Equal(t, time.Hour, store.Retention())
		require.Zero(t, (&memory.Store{Expire: -1}).Retention())
	})
}

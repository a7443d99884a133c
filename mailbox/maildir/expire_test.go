package maildir

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

var _ mailbox.Expirer = (*Store)(nil)

// What is too old is in no listing, and its file is removed: in new and in cur,
// whoever has delivered it. A message whose name has no time stays.
func TestExpire(t *testing.T) {
	store := newStore(t, Options{Expire: time.Hour})
	var removed []string
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		if event.Kind == mailbox.Removed {
			removed = append(removed, ids(event.Messages)...)
		}
		return nil
	}))
	begin := time.Now()
	fresh := deliver(t, store, "bob", "fresh\r\n").ID
	put(t, store, "bob", "new", fmt.Sprintf("%d.M1P2.host", begin.Add(-time.Hour-time.Second).Unix()), "old\n")
	put(t, store, "bob", "cur", fmt.Sprintf("%d.M1P3.host:2,S", begin.Add(-48*time.Hour).Unix()), "older\n")
	put(t, store, "bob", "cur", fmt.Sprintf("%d.M1P4.host:2,S", begin.Add(-time.Hour+time.Minute).Unix()), "not yet\n")
	put(t, store, "bob", "new", "host.without.a.time", "timeless\n")
	require.Len(t, listed(t, store, "bob"), 3)
	require.Len(t, filesIn(t, store, "bob", "new"), 2)
	require.Len(t, filesIn(t, store, "bob", "cur"), 1)

	store.mint.now = func() time.Time { return begin.Add(2 * time.Hour) }
	require.Equal(t, []string{"host.without.a.time"}, ids(listed(t, store, "bob")))
	require.NoError(t, store.Close(t.Context()))
	require.Len(t, removed, 4)
	require.Contains(t, removed, fresh)
	require.Equal(t, time.Hour, store.Retention())
}

// A number is not a time: a Maildir that another program has filled may have any
// names.
func TestExpireTakesNoNumberForATime(t *testing.T) {
	store := newStore(t, Options{Expire: 24 * time.Hour})
	names := []string{
		"1.host", "000001.eml", "20240101.report", "20240101-1200.report", "0.M1P2.host",
		"12345678-1234-4123-8123-123456789abc", "1234567890abcdef1234", "1234567890", "1234567890-1.host",
	}
	for _, name := range names {
		put(t, store, "bob", "new", name, "x\n")
	}
	put(t, store, "bob", "new", "788918400.host", "old\n")
	put(t, store, "bob", "new", "788918399.host", "not a time\n")
	require.ElementsMatch(t, append(names, "788918399.host"), ids(listed(t, store, "bob")))
	require.Len(t, filesIn(t, store, "bob", "new"), len(names)+1)
}

// An old message that cannot be removed is not listed either.
func TestExpireThatFails(t *testing.T) {
	var told []error
	store := newStore(t, Options{Expire: time.Hour, OnError: func(err error) { told = append(told, err) }})
	put(t, store, "bob", "new", fmt.Sprintf("%d.M1P2.host", time.Now().Add(-2*time.Hour).Unix()), "old\n")
	fail := errors.New("no")
	store.fault = func(s step) error {
		if s == stepRemove {
			return fail
		}
		return nil
	}
	require.Empty(t, listed(t, store, "bob"))
	require.Len(t, filesIn(t, store, "bob", "new"), 1)
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], fail)
	store.fault = nil
	require.Empty(t, listed(t, store, "bob"))
	require.Empty(t, filesIn(t, store, "bob", "new"))
	require.Len(t, told, 1)
}

func TestNothingExpiresByDefault(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "new", "1.M1P2.host", "of 1970\n")
	require.Len(t, listed(t, store, "bob"), 1)
	require.Zero(t, store.Retention())
}

// 30 is not 30 days: what such a mistake removes is gone.
func TestExpireThatIsTooShort(t *testing.T) {
	for _, short := range []time.Duration{30, time.Hour - 1, -time.Hour} {
		_, err := New(t.TempDir(), Options{Expire: short})
		require.ErrorContains(t, err, "want an hour or more")
	}
}

package maildir

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// poll is another program that moves what is in new to cur as soon as it is
// there, until stop is called.
func poll(home string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			take(home)
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

// take moves what is in new to cur.
func take(home string) {
	files, _ := os.ReadDir(filepath.Join(home, "new"))
	for _, file := range files {
		_ = os.Rename(filepath.Join(home, "new", file.Name()), filepath.Join(home, "cur", file.Name()+":2,"))
	}
}

func TestWhatAnotherProgramTakesAtOnceWasDelivered(t *testing.T) {
	const deliveries = 500 // the first are enough to find a store that says that one failed
	store := newStore(t, Options{})
	delivered := []string{deliver(t, store, "bob", "so that the directories are there").ID}
	stop := poll(path(store, "bob"))
	defer stop()
	delivery := mailbox.To("bob")
	delivery.Received = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	for range deliveries {
		m, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello"))
		require.NoError(t, err)
		delivered = append(delivered, m.ID)
	}
	stop()
	require.Equal(t, delivered, ids(listed(t, store, "bob")), "each of them once")
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
}

func TestWhatAnotherProgramTakesFromTmpWasNotDelivered(t *testing.T) {
	store := newStore(t, Options{})
	store.fault = func(now step) error {
		if now == stepSynced {
			for _, file := range filesIn(t, store, "bob", "tmp") {
				require.NoError(t, os.Remove(path(store, "bob", "tmp", file)))
			}
		}
		return nil
	}
	for _, received := range []time.Time{{}, time.Unix(1, 0)} {
		delivery := mailbox.To("bob")
		delivery.Received = received
		_, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello"))
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	require.Empty(t, listed(t, store, "bob"))
}

// The directory cannot be synced after the rename, and another program was
// quicker than the removal.
func TestADeliveryThatCannotBeSyncedIsWithdrawnFromWhereverItIs(t *testing.T) {
	for name, other := range map[string]struct {
		acts      func(home string) error
		stuck     error
		delivered bool
	}{
		"it is in new":               {acts: func(string) error { return nil }},
		"it was moved to cur":        {acts: func(home string) error { take(home); return nil }},
		"it was moved and removed":   {acts: func(home string) error { take(home); return os.RemoveAll(filepath.Join(home, "cur")) }, delivered: true},
		"the mailbox was removed":    {acts: os.RemoveAll, delivered: true},
		"it is in cur for good":      {acts: func(home string) error { take(home); return nil }, stuck: fs.ErrPermission},
		"it is in new and cannot go": {acts: func(string) error { return nil }, stuck: fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t, Options{})
			deliver(t, store, "bob", "so that the directories are there")
			take(path(store, "bob"))
			before := len(listed(t, store, "bob"))
			store.fault = func(now step) error {
				if now == stepRemove {
					return other.stuck
				}
				return nil
			}
			store.syncing = func(file *os.File) error {
				if filepath.Base(filepath.Dir(file.Name())) == "tmp" {
					return nil
				}
				require.NoError(t, other.acts(path(store, "bob")))
				return syscall.EIO
			}
			m, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), strings.NewReader("hello"))
			store.syncing, store.fault = nil, nil
			if other.delivered {
				require.NoError(t, err)
				require.NotEmpty(t, m.ID)
				return
			}
			require.ErrorIs(t, err, syscall.EIO)
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			if other.stuck != nil {
				require.ErrorIs(t, err, other.stuck)
				require.ErrorContains(t, err, "may come twice")
				return
			}
			require.Len(t, listed(t, store, "bob"), before, "not delivered")
		})
	}
}

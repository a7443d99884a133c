package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	gomaildir "github.com/emersion/go-maildir"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// renamer is another program that sets and clears flags without a pause until
// stop is called.
func renamer(t testing.TB, dir string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		program := gomaildir.Dir(dir)
		for ctx.Err() == nil {
			_, _ = program.Unseen()
			messages, _ := program.Messages()
			for _, message := range messages {
				flags := []gomaildir.Flag{gomaildir.FlagSeen, gomaildir.FlagFlagged, gomaildir.FlagReplied}
				_ = message.SetFlags(flags[:rand.IntN(len(flags)+1)]) // it may be gone
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

func TestAListingIsWholeWhileAnotherProgramRenames(t *testing.T) {
	store := newStore(t, Options{})
	const messages = 500 // more than one read of a directory gives
	want := map[string]string{}
	for i := range messages {
		body := fmt.Sprintf("message %d\r\n", i)
		want[deliver(t, store, "bob", body).ID] = body
	}
	stop := renamer(t, path(store, "bob"))
	defer stop()
	for range 20 {
		box := open(t, store, "bob")
		got := list(t, box)
		require.Len(t, got, messages)
		for range 20 {
			id := got[rand.IntN(len(got))].ID
			body, err := box.Open(t.Context(), id, mailbox.OpenOptions{})
			if errors.Is(err, mailbox.ErrTemporary) {
				continue // never "not found"
			}
			require.NoError(t, err)
			octets, err := io.ReadAll(body)
			require.NoError(t, err)
			require.NoError(t, body.Close())
			require.Equal(t, want[id], string(octets))
		}
	}
}

func TestDeleteFindsWhatAnotherProgramRenames(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for i := range 200 {
		all = append(all, deliver(t, store, "bob", fmt.Sprintf("message %d\r\n", i)).ID)
	}
	box := open(t, store, "bob")
	list(t, box)
	stop := renamer(t, path(store, "bob"))
	err := box.Delete(t.Context(), all)
	stop()
	left := ids(listed(t, store, "bob"))
	var failed *mailbox.DeleteError
	if errors.As(err, &failed) {
		require.ElementsMatch(t, keys(failed.Failed), left, "what is left was named")
		return
	}
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestDeleteFindsAFileThatWasRenamed(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "hello")
	box := open(t, store, "bob")
	list(t, box)
	require.NoError(t, os.Rename(path(store, "bob", "cur", "1.M1.host:2,"), path(store, "bob", "cur", "1.M1.host:2,S")))
	require.NoError(t, box.Delete(t.Context(), []string{"1.M1.host"}))
	require.Empty(t, filesIn(t, store, "bob", "cur"))
}

func TestDeleteNamesAFileThatIsRenamedAllTheTime(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "hello")
	box := open(t, store, "bob")
	list(t, box)
	flags := ""
	store.fault = func(now step) error {
		if now != stepRemove {
			return nil
		}
		before := path(store, "bob", "cur", "1.M1.host:2,"+flags)
		flags += "S"
		return os.Rename(before, path(store, "bob", "cur", "1.M1.host:2,"+flags))
	}
	err := box.Delete(t.Context(), []string{"1.M1.host"})
	var failed *mailbox.DeleteError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, []string{"1.M1.host"}, keys(failed.Failed))
	require.Len(t, filesIn(t, store, "bob", "cur"), 1)
}

// Deliveries, sessions and another program at once, through two stores as two
// processes would: in the end the mailbox has what was delivered and not
// deleted.
func TestDeliveriesSessionsAndOtherProgramsLoseNothing(t *testing.T) {
	store := newStore(t, Options{})
	stores := []*Store{store, newStoreIn(t, store.dir, Options{})}
	deliver(t, store, "bob", "the first, so that the directories are there")
	stop := renamer(t, path(store, "bob"))

	var delivered, deleted sync.Map
	var deliverers, sessions sync.WaitGroup
	var done atomic.Bool
	for n := range 4 {
		deliverers.Go(func() {
			for i := range 50 {
				body := fmt.Sprintf("message %d of %d\r\n", i, n)
				message, err := mailbox.Deliver(t.Context(), stores[n%2], mailbox.To("bob"), strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				delivered.Store(message.ID, body)
			}
		})
	}
	for n := range 2 {
		sessions.Go(func() {
			for !done.Load() {
				if err := deleteSome(t.Context(), stores[n], &deleted); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	deliverers.Wait()
	done.Store(true)
	sessions.Wait()
	stop()

	want := map[string]string{}
	delivered.Range(func(id, body any) bool {
		if _, gone := deleted.Load(id); !gone {
			want[id.(string)] = body.(string)
		}
		return true
	})
	box := open(t, store, "bob")
	got := map[string]string{}
	for _, m := range list(t, box) {
		if body := read(t, box, m.ID); !strings.HasPrefix(body, "the first") {
			got[m.ID] = body
		}
	}
	require.Equal(t, want, got)
	require.Empty(t, filesIn(t, store, "bob", "tmp"))
}

// deleteSome is a session that deletes every fourth message it sees.
func deleteSome(ctx context.Context, store *Store, deleted *sync.Map) error {
	box, err := store.Open(ctx, mailbox.Login{User: "bob"})
	if err != nil {
		return err
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	if err != nil {
		return err
	}
	var chosen []string
	for i := 3; i < len(messages); i += 4 {
		chosen = append(chosen, messages[i].ID)
	}
	err = box.Delete(ctx, chosen)
	var failed *mailbox.DeleteError
	if err != nil && !errors.As(err, &failed) {
		return err
	}
	for _, id := range chosen {
		if failed == nil || failed.Failed[id] == nil {
			deleted.Store(id, true)
		}
	}
	return nil
}

func TestTwoSessionsDeleteTheSameMail(t *testing.T) {
	store := newStore(t, Options{})
	var all []string
	for range 300 {
		all = append(all, deliver(t, store, "bob", "hello").ID)
	}
	_, err := gomaildir.Dir(path(store, "bob")).Unseen()
	require.NoError(t, err)
	kept := deliver(t, store, "bob", "in the middle")

	var group sync.WaitGroup
	for range 2 {
		box := open(t, store, "bob")
		list(t, box)
		group.Go(func() {
			if err := box.Delete(context.Background(), all); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Equal(t, []string{kept.ID}, ids(listed(t, store, "bob")))
	require.Empty(t, filesIn(t, store, "bob", "cur"))
}

func TestDirectoriesAreMadeByManyAtOnce(t *testing.T) {
	store := newStore(t, Options{})
	other := newStoreIn(t, filepath.Join(store.dir), Options{})
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if _, err := mailbox.Deliver(t.Context(), []*Store{store, other}[i%2], mailbox.To("bob"), strings.NewReader("hello")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.Len(t, listed(t, store, "bob"), 20)
	_, err := os.Stat(path(store, "bob", "cur"))
	require.NoError(t, err)
}

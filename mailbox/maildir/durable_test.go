//go:build !windows

package maildir

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// journal is what a store did, in order: its steps, and "sync" with what was
// synced and what was in it at that moment.
type journal struct {
	t     testing.TB
	base  string
	lines []string
}

// keepJournal writes a journal from now on. Paths are relative to base.
func keepJournal(t testing.TB, store *Store, base string) *journal {
	j := &journal{t: t, base: base}
	store.fault = func(now step) error {
		if !slices.Contains([]step{stepList, stepOpen}, now) {
			j.lines = append(j.lines, string(now))
		}
		return nil
	}
	store.syncing = j.synced
	return j
}

func (j *journal) synced(file *os.File) error {
	name, err := filepath.Rel(j.base, file.Name())
	require.NoError(j.t, err)
	info, err := file.Stat()
	require.NoError(j.t, err)
	if !info.IsDir() {
		octets, err := os.ReadFile(file.Name())
		require.NoError(j.t, err)
		j.lines = append(j.lines, "sync "+filepath.ToSlash(filepath.Dir(name))+"/*: "+string(octets))
		return nil
	}
	entries, err := os.ReadDir(file.Name())
	require.NoError(j.t, err)
	line := "sync " + filepath.ToSlash(name) + ":"
	for _, entry := range entries {
		line += " " + entry.Name()
	}
	j.lines = append(j.lines, line)
	return nil
}

// take returns the lines so far, and forgets them. Several writes in a row are
// one line.
func (j *journal) take() []string {
	lines := slices.Compact(j.lines)
	j.lines = nil
	return lines
}

func TestADeliveryIsSyncedBeforeItIsAcknowledged(t *testing.T) {
	store := newStore(t, Options{})
	j := keepJournal(t, store, store.dir)
	first := deliver(t, store, "bob", "hello\r\n")
	require.Equal(t, []string{
		"sync .: bob",
		"sync bob: cur new tmp",
		string(stepCreated), string(stepWrite), string(stepWritten),
		"sync bob/tmp/*: hello\r\n",
		string(stepSynced), string(stepRenamed),
		"sync bob/new: " + filesIn(t, store, "bob", "new")[0],
		string(stepListed),
	}, j.take())

	second := deliver(t, store, "bob", "again\r\n")
	require.Equal(t, []string{
		string(stepCreated), string(stepWrite), string(stepWritten),
		"sync bob/tmp/*: again\r\n",
		string(stepSynced), string(stepRenamed),
		"sync bob/new: " + strings.Join(filesIn(t, store, "bob", "new"), " "),
		string(stepListed),
	}, j.take(), "the directories of a mailbox are synced once")
	require.Len(t, listed(t, store, "bob"), 2)
	require.NotEqual(t, first.ID, second.ID)

	other := newStoreIn(t, store.dir, Options{})
	j = keepJournal(t, other, store.dir)
	deliver(t, other, "bob", "hello\r\n")
	require.Equal(t, []string{"sync .: bob", "sync bob: cur new tmp"}, j.take()[:2], "the process that made them may have been killed")
}

func TestEachDirectoryThatLeadsToAMaildirIsSynced(t *testing.T) {
	store := newStore(t, Options{Dir: domainDirs})
	j := keepJournal(t, store, store.dir)
	deliver(t, store, "bob@example.org", "hello")
	require.Equal(t, []string{
		"sync .: example.org", "sync example.org: bob", "sync example.org/bob: Maildir", "sync example.org/bob/Maildir: cur new tmp",
		string(stepCreated),
	}, j.take()[:5])
}

func TestEachRecipientsCopyIsSynced(t *testing.T) {
	store := newStore(t, Options{})
	deliver(t, store, "bob", "hello")
	deliver(t, store, "alice", "hello")
	j := keepJournal(t, store, store.dir)
	results := appendTo(t, store, mailbox.Delivery{Recipients: mailbox.To("bob", "alice").Recipients, UIDL: "uid-1"}, "both\r\n")
	require.NoError(t, errors.Join(results[0].Err, results[1].Err))
	var syncs []string
	for _, line := range j.take() {
		if rest, is := strings.CutPrefix(line, "sync "); is {
			where, _, _ := strings.Cut(rest, ":")
			syncs = append(syncs, where)
		}
	}
	require.Equal(t, []string{"bob/tmp/*", "bob/new", "alice/tmp/*", "alice/new"}, syncs)
}

func TestRemovalsAreSyncedBeforeDeleteReturns(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "in cur")
	put(t, store, "bob", "new", "2.M2.host", "in new")
	put(t, store, "bob", "new", "3.M3.host", "kept")
	box := open(t, store, "bob")
	list(t, box)
	j := keepJournal(t, store, store.dir)
	require.NoError(t, box.Delete(t.Context(), []string{"2.M2.host"}))
	require.Equal(t, []string{string(stepRemove), "sync bob/new: 3.M3.host"}, j.take())
	require.NoError(t, box.Delete(t.Context(), []string{"1.M1.host"}))
	require.Equal(t, []string{string(stepRemove), "sync bob/cur:"}, j.take())
}

func TestARemovalThatCannotBeSyncedIsAnError(t *testing.T) {
	store := newStore(t, Options{})
	m := deliver(t, store, "bob", "hello")
	box := open(t, store, "bob")
	list(t, box)
	store.syncing = func(*os.File) error { return syscall.EIO }
	err := box.Delete(t.Context(), []string{m.ID})
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, err, mailbox.ErrTemporary)
}

func TestTheNewNameOfADuplicateIsSynced(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,S", "first")
	put(t, store, "bob", "new", "1.M1.host", "second")
	j := keepJournal(t, store, store.dir)
	require.Len(t, listed(t, store, "bob"), 2)
	require.Equal(t, []string{"sync bob/new: " + filesIn(t, store, "bob", "new")[0]}, j.take())
	require.NotContains(t, filesIn(t, store, "bob", "new"), "1.M1.host")
}

func TestTheDirectoryOfTheStoreIsSynced(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "var", "mail")
	openStore := func() []string {
		store := &Store{}
		j := keepJournal(t, store, base)
		require.NoError(t, store.open(dir))
		require.NoError(t, store.Close(context.Background()))
		return j.take()
	}
	lines := openStore()
	require.True(t, strings.HasPrefix(lines[0], "sync ..: "), "what leads to it may have been made by a process that was killed")
	require.Equal(t, []string{"sync .: var", "sync var: mail"}, lines[1:])
	require.Equal(t, []string{"sync var: mail"}, openStore())
}

// The journal replaces nothing: a sync reaches the kernel, which cannot sync a
// pipe.
func TestASyncReachesTheKernel(t *testing.T) {
	store := newStore(t, Options{})
	_, pipe, err := os.Pipe()
	require.NoError(t, err)
	defer pipe.Close()
	require.Error(t, store.sync(pipe))
}

// A FUSE or network file system that cannot sync a directory.
func TestAFileSystemThatCannotSyncDirectoriesHoldsMail(t *testing.T) {
	for _, refusal := range []error{syscall.EINVAL, errors.ErrUnsupported} {
		var mu sync.Mutex
		var reported []error
		store := &Store{options: Options{OnError: func(err error) {
			mu.Lock()
			defer mu.Unlock()
			reported = append(reported, err)
		}}}
		store.syncing = func(file *os.File) error {
			if info, err := file.Stat(); err != nil || !info.IsDir() {
				return err
			}
			return &os.PathError{Op: "sync", Path: file.Name(), Err: refusal}
		}
		require.NoError(t, store.open(filepath.Join(t.TempDir(), "mail")))
		m := deliver(t, store, "bob", "hello")
		deliver(t, store, "alice", "hello")
		box := open(t, store, "bob")
		require.Len(t, list(t, box), 1)
		require.NoError(t, box.Delete(t.Context(), []string{m.ID}))
		require.NoError(t, store.Close(context.Background()))
		require.Len(t, reported, 1, "once")
		require.ErrorIs(t, reported[0], errors.ErrUnsupported)
		require.ErrorIs(t, reported[0], refusal)
	}
}

func TestASyncThatFailsRefusesTheMessage(t *testing.T) {
	for _, place := range []string{".", "bob", "tmp", "new"} {
		store := newStore(t, Options{OnError: func(err error) { t.Error(err) }})
		broken := syscall.EIO
		if place == "tmp" {
			broken = syscall.EINVAL // tolerated for directories alone
		}
		store.syncing = func(file *os.File) error {
			name := filepath.Clean(file.Name())
			if place == "tmp" && filepath.Base(filepath.Dir(name)) == place || name == filepath.Join(store.dir, place) || name == filepath.Join(store.dir, "bob", place) {
				return broken
			}
			return nil
		}
		require.ErrorIs(t, refused(t, store, "bob", "x"), broken, place)
		require.Empty(t, listed(t, store, "bob"))
		require.Empty(t, filesIn(t, store, "bob", "tmp"))
		store.syncing = nil
		deliver(t, store, "bob", "x")
	}
}

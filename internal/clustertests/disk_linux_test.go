package clustertests

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A node whose disk is full: deliveries are refused for now, with a temporary
// error, and what was acknowledged before is there when there is room again (P1).
// The disk is a tmpfs, which only root may make.
func TestP1DiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a node of its own")
	}
	disk := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.Mkdir(disk, 0o777))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=400m,mode=0777"); err != nil {
		t.Skipf("a small disk is a tmpfs, which needs root: %v", err)
	}
	t.Cleanup(func() { // after the cluster has ended
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true, Settings: map[string]any{
		"data_file_directories":  []string{filepath.Join(disk, "data")},
		"disk_failure_policy":    "stop", // as the cassandra.yaml of a distribution has it
		"memtable_heap_space":    "8MiB",
		"memtable_offheap_space": "8MiB",
	}})
	config := storetest.Migrate(t, cluster)
	resize := func(size string) {
		require.NoError(t, syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size="+size+",mode=0777"))
	}
	resize("24m")
	config.Timeout = time.Second
	config.Retries = -1
	store := storetest.NewStore(t, config)
	const user = "anna@example.org"
	isFull := func() bool {
		log, err := os.ReadFile(cluster.LogFile("dc1-1"))
		require.NoError(t, err)
		return bytes.Contains(log, []byte("No space left on device")) || bytes.Contains(log, []byte("FSDiskFullWriteError"))
	}
	acked := make(map[string]string)
	refused := 0 // after the disk was full
	var failure error
	start := time.Now()
	for i := 0; refused < 2; i++ {
		require.Less(t, time.Since(start), 90*time.Second, "the disk should be full by now")
		full := isFull()
		text := storetest.BigBody(uint64(i), 1<<20)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		m, err := storetest.TryDeliver(ctx, store, user, text)
		cancel()
		switch {
		case err == nil:
			acked[m.ID] = text
			continue
		case full:
			refused++
		}
		failure = err
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NotErrorIs(t, err, mailbox.ErrTooLarge)
		require.NotErrorIs(t, err, mailbox.ErrOverQuota)
		require.NotErrorIs(t, err, mailbox.ErrPermanent)
	}
	t.Logf("%d messages of 1 MB in %s, then %v", len(acked), time.Since(start), failure)
	// So do a session and a second delivery fail, or they work.
	if _, err := storetest.TryDeliver(t.Context(), store, user, storetest.Body(1)); err != nil {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	if _, err := storetest.TryList(t.Context(), storetest.Open(t, store, user)); err != nil {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}

	// Room again, and the node restarted, as its operator would.
	resize("400m")
	require.NoError(t, cluster.Restart(t.Context(), ""))
	var found map[string]string
	storetest.Eventually(t, "the store works again", func() bool {
		_, err := storetest.TryList(t.Context(), storetest.Open(t, store, user))
		return err == nil
	})
	found = storetest.Readable(t, store, user)
	for id, text := range acked {
		require.True(t, found[id] == text, "P1: acknowledged and lost")
	}
	storetest.Deliver(t, store, user, storetest.Body(2))
	check := storetest.NewStore(t, storetest.Later(config))
	_, err := check.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
	require.NoError(t, err)
	storetest.Consistent(t, config, user)
}

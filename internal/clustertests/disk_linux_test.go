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
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A node whose disk is full: deliveries are refused for now, with a temporary
// error, and what was acknowledged before is there once there is room again
// (P1). The disk is a tmpfs, which only root may make.
func TestP1DiskFull(t *testing.T) {
	slow.Test(t, "a node of its own, and a disk to fill")
	disk := newSmallDisk(t)
	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true, Settings: map[string]any{
		"data_file_directories":  []string{filepath.Join(disk.path, "data")},
		"disk_failure_policy":    "stop", // as the cassandra.yaml of a distribution has it
		"memtable_heap_space":    "8MiB",
		"memtable_offheap_space": "8MiB",
	}})
	config := storetest.Migrate(t, cluster)
	disk.resize("24m")
	impatient := config
	impatient.Timeout = time.Second
	impatient.Retries = -1
	store := storetest.NewStore(t, impatient)

	acknowledged := fillDisk(t, cluster, store)
	// So do a session and a second delivery fail, or they work.
	if _, err := storetest.TryDeliver(t.Context(), store, anna, storetest.Body(1)); err != nil {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	if _, err := mailbox.List(t.Context(), storetest.Open(t, store, anna)); err != nil {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}

	// Room again, and the node restarted, as its operator would.
	disk.resize("400m")
	require.NoError(t, cluster.Restart(t.Context(), ""))
	storetest.Eventually(t, "the store works again", func() bool {
		_, err := mailbox.List(t.Context(), storetest.Open(t, store, anna))
		return err == nil
	})
	store = storetest.NewStore(t, config)
	found := storetest.Readable(t, store, anna)
	for id, text := range acknowledged {
		require.True(t, found[id] == text, "P1: acknowledged and lost")
	}
	storetest.Deliver(t, store, anna, storetest.Body(2))
	check := storetest.NewStore(t, soon(t, config))
	_, err := check.Repair(t.Context(), anna, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
	require.NoError(t, err)
	storetest.Consistent(t, config, anna)
}

// smallDisk is a tmpfs.
type smallDisk struct {
	*testing.T
	path string
}

func newSmallDisk(t *testing.T) smallDisk {
	disk := smallDisk{t, filepath.Join(t.TempDir(), "disk")}
	require.NoError(t, os.Mkdir(disk.path, 0o777))
	if err := syscall.Mount("tmpfs", disk.path, "tmpfs", 0, "size=400m,mode=0777"); err != nil {
		t.Skipf("a small disk is a tmpfs, which needs root: %v", err)
	}
	t.Cleanup(func() { // after the cluster has ended
		if err := syscall.Unmount(disk.path, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return disk
}

func (d smallDisk) resize(size string) {
	require.NoError(d, syscall.Mount("tmpfs", d.path, "tmpfs", syscall.MS_REMOUNT, "size="+size+",mode=0777"))
}

// fillDisk delivers until the disk of the only node is full and two deliveries
// were refused, and returns those that were acknowledged.
func fillDisk(t *testing.T, cluster *cassandratest.Cluster, store *cassandra.Store) (acknowledged map[string]string) {
	isFull := func() bool {
		log, err := os.ReadFile(cluster.LogFile("dc1-1"))
		require.NoError(t, err)
		return bytes.Contains(log, []byte("No space left on device")) || bytes.Contains(log, []byte("FSDiskFullWriteError"))
	}
	acknowledged = make(map[string]string)
	refused := 0 // after the disk was full
	var failure error
	began := time.Now()
	for i := 0; refused < 2; i++ {
		require.Less(t, time.Since(began), 90*time.Second, "the disk should be full by now")
		full := isFull()
		text := storetest.BigBody(uint64(i), 1<<20)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		m, err := storetest.TryDeliver(ctx, store, anna, text)
		cancel()
		switch {
		case err == nil:
			acknowledged[m.ID] = text
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
	t.Logf("%d messages of 1 MB in %s, then %v", len(acknowledged), time.Since(began), failure)
	return acknowledged
}

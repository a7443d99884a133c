package cassandra_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// The largest mailboxes are those with the most octets, not those with the most
// messages. A mailbox that was emptied is not among them.
func TestUsageOfMailboxes(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	var want []cassandra.Usage
	for n := range 5 { // the last one is the largest
		user := fmt.Sprintf("user%d", n)
		box, _, err := store.Mailbox(user)
		require.NoError(t, err)
		usage := cassandra.Usage{User: user, Mailbox: box}
		for i := range 5 - n {
			usage.Octets += storetest.Deliver(t, store, user, storetest.BigBody(uint64(i), 1000*(n+1)*(n+1))).Size
			usage.Messages++
		}
		want = append([]cassandra.Usage{usage}, want...)
	}
	for i := range want[:len(want)-1] {
		if want[i].Octets < want[i+1].Octets {
			want[i], want[i+1] = want[i+1], want[i]
		}
	}
	largest, err := store.Largest(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, want, largest)
	for n := range want {
		largest, err = store.Largest(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, len(want[:n]), len(largest))
		require.Subset(t, want[:n], largest)
	}

	first := want[0]
	measured, err := store.Measure(t.Context(), first.User)
	require.NoError(t, err)
	require.Equal(t, first, measured)
	require.Len(t, storetest.List(t, store, first.User), first.Messages, "and nothing was removed")
	emptied, err := store.Empty(t.Context(), first.User)
	require.NoError(t, err)
	require.Equal(t, first, emptied)
	require.Empty(t, storetest.List(t, store, first.User))
	emptied, err = store.Empty(t.Context(), first.User)
	require.NoError(t, err)
	require.Zero(t, emptied.Messages)
	storetest.Eventually(t, "it is purged, too", func() bool {
		p, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{})
		return err == nil && p.Findings == 0
	})
	largest, err = store.Largest(t.Context(), 100)
	require.NoError(t, err)
	require.Equal(t, want[1:], largest)
	storetest.Deliver(t, store, first.User, storetest.Body(1))
	_, err = store.Empty(t.Context(), "\x00")
	require.Error(t, err)
}

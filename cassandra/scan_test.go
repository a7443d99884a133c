package cassandra_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
)

// A scan of everything finds what is wrong in any mailbox, can be broken off and
// resumed, mends it, and finds nothing then.
func TestScanOfEverything(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	config.Horizon = 1 // nanosecond: nothing is too young
	session := connect(t, config)
	db := cluster.Session(t, "")
	store := newStore(t, config)
	const users = 40
	var damaged []string
	for n := range users {
		user := fmt.Sprintf("user%d@example.org", n)
		var last string
		for m := range 5 {
			last = deliver(t, store, user, body(m)).ID
		}
		if rand.IntN(4) == 0 {
			continue
		}
		damaged = append(damaged, user)
		id, err := cassandra.ParseMessageID(last)
		require.NoError(t, err)
		mailbox, _, err := store.Mailbox(user)
		require.NoError(t, err)
		// Its removal has begun, and nobody has finished it.
		require.NoError(t, db.Query(fmt.Sprintf(
			"UPDATE %s.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", config.Keyspace),
			cassandra.AddedAt(id)+1, [16]byte(mailbox), session.Bucket(id), [16]byte(id)).Exec())
	}

	var found []string
	verified, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) { found = append(found, r.User) }})
	require.NoError(t, err)
	slices.Sort(found)
	slices.Sort(damaged)
	require.Equal(t, damaged, found)
	require.Equal(t, users, verified.Mailboxes)
	require.Equal(t, len(damaged), verified.Findings)
	require.Equal(t, users*5-len(damaged), verified.Messages)
	require.Zero(t, verified.Mended)
	require.Equal(t, 1.0, verified.Done)

	// Broken off in the middle, and resumed.
	ctx, cancel := context.WithCancel(t.Context())
	var half cassandra.Progress
	_, err = store.RepairAll(ctx, cassandra.ScanOptions{Progress: func(p cassandra.Progress) {
		if p.Done >= 0.5 && half.Resume == "" {
			half = p
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, half.Mailboxes, users)
	rest, err := store.RepairAll(t.Context(), cassandra.ScanOptions{Resume: half.Resume, Mailboxes: 8})
	require.NoError(t, err)
	require.Equal(t, users, half.Mailboxes+rest.Mailboxes)
	require.Equal(t, len(damaged), half.Mended+rest.Mended)

	again, err := store.VerifyAll(t.Context(), cassandra.ScanOptions{Rate: 1000})
	require.NoError(t, err)
	require.Zero(t, again.Findings)

	_, err = store.VerifyAll(t.Context(), cassandra.ScanOptions{Resume: "page 7"})
	require.ErrorContains(t, err, `"page 7" is not where a scan can go on`)
}

package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// The ID of another user's message cannot be opened. Deleting it succeeds and
// does nothing: the other user still has the message.
func TestIDsOfAnotherUser(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t, 0))
	for _, text := range []string{storetest.Body(1), strings.Repeat(storetest.Body(2), 10_000)} {
		theirs := storetest.Deliver(t, store, "eve", text)
		mine := storetest.Deliver(t, store, "bob", storetest.Body(3))
		mb := storetest.Open(t, store, "bob")
		for _, listed := range []bool{false, true} {
			if listed {
				_, err := mailbox.List(t.Context(), mb)
				require.NoError(t, err)
			}
			_, err := mb.Open(t.Context(), theirs.ID, mailbox.OpenOptions{})
			require.ErrorIs(t, err, mailbox.ErrNotFound)
			_, err = mb.Open(t.Context(), theirs.ID, mailbox.OpenOptions{Top: true})
			require.ErrorIs(t, err, mailbox.ErrNotFound)
			require.NoError(t, mb.Delete(t.Context(), []string{theirs.ID}))
		}
		require.NoError(t, mb.Delete(t.Context(), []string{theirs.ID, mine.ID, theirs.ID}))
		require.NotContains(t, storetest.ListIDs(t, store, "bob"), mine.ID)
		eve := storetest.Open(t, store, "eve")
		got, err := storetest.Read(t.Context(), eve, theirs.ID)
		require.NoError(t, err)
		require.Equal(t, text, got)
		require.Contains(t, storetest.ListIDs(t, store, "eve"), theirs.ID)
	}
}

// P2: a session that finds a message without content gets a temporary error,
// writes nothing, and has the mailbox repaired in the background.
func TestP2MissIsTemporaryAndHandedToRepair(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	var heard storetest.Recorder
	config.Observer = heard.Observe
	store := storetest.NewStore(t, config)
	const user = "anna@example.org"
	const old = 2 * time.Hour
	for _, content := range []string{"", "unfinished", "torn"} {
		lost := storetest.Plant{Age: old, Content: content, Member: "live", Listed: true, Bucket: true}.Put(tables, store, user)
		marked := storetest.Plant{Age: old, Content: "whole", Member: "removed", Bucket: true}.Put(tables, store, user)
		mb := storetest.Open(t, store, user)
		listed, err := mailbox.List(t.Context(), mb)
		require.NoError(t, err)
		require.Equal(t, lost.String(), listed[len(listed)-1].ID)
		heard.Take()
		_, err = storetest.Read(t.Context(), mb, lost.String())
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NotErrorIs(t, err, mailbox.ErrNotFound)
		storetest.Eventually(t, "the repair in the background finishes the removal that is marked", func() bool {
			return tables.Count("SELECT count(*) FROM KS.message WHERE message_id = ?", [16]byte(marked)) == 0
		})
		for _, o := range heard.Take() { // the repair may write about the marked message only
			assert.NotContains(t, o.Statement, "INSERT")
		}
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		kinds := map[cassandra.MessageID]cassandra.FindingKind{}
		for _, f := range report.Findings {
			kinds[f.ID] = f.Kind
		}
		require.Equal(t, cassandra.NotComplete, kinds[lost], "it is still there, and can be restored")
	}
	require.Len(t, storetest.List(t, store, user), 3)
}

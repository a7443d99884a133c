package cassandra_test

import (
	"io"
	"strings"
	"testing"
	"time"

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
	store := storetest.NewStore(t, newKeyspace(t))
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
			_, err = mb.Open(t.Context(), theirs.ID, mailbox.OpenOptions{For: mailbox.Top})
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
// and writes nothing. It hands that message to a repair in the background, and
// no other: one miss is not a survey of the mailbox.
func TestP2MissIsTemporaryAndHandedToRepair(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	var heard storetest.Recorder
	config.Observer = heard.Observe
	store := storetest.NewStore(t, config)
	const user = "anna@example.org"
	const old = 2 * time.Hour
	for range 20 {
		storetest.Plant{Age: old, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, user)
	}
	marked := storetest.Plant{Age: old, Content: "whole", Member: "removed", Bucket: true}.Put(tables, store, user)
	for _, content := range []string{"", "unfinished", "torn"} {
		lost := storetest.Plant{Age: old, Content: content, Member: "live", Listed: true, Bucket: true}.Put(tables, store, user)
		mb := storetest.Open(t, store, user)
		listed, err := mailbox.List(t.Context(), mb)
		require.NoError(t, err)
		require.Equal(t, lost.String(), listed[len(listed)-1].ID)
		heard.Take()
		_, err = storetest.Read(t.Context(), mb, lost.String())
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NotErrorIs(t, err, mailbox.ErrNotFound)
		storetest.Eventually(t, "the repair in the background", func() bool { return store.Stats().RepairsWaiting == 0 })
		seen := heard.Take()
		require.Less(t, len(seen), 20, "the ladder, the row of the bucket, and a few looks at three tables; there are 24 messages")
		for _, o := range seen {
			require.NotContains(t, o.Statement, "INSERT")
		}
		require.NotZero(t, tables.Content(marked), "another message is none of its business")
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		kinds := map[cassandra.MessageID]cassandra.FindingKind{}
		for _, f := range report.Findings {
			kinds[f.ID] = f.Kind
		}
		require.Equal(t, cassandra.NotComplete, kinds[lost], "it is still there, and can be restored")
	}
	require.Len(t, storetest.List(t, store, user), 23)
}

// P2, P4: a session lists a message whose removal was interrupted before the
// index was told, and finds the mark: the message is removed, and the removal
// is finished in the background.
func TestP4AMarkThatIsMetIsFinished(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	marked := storetest.Plant{Age: time.Hour, Member: "removed", Listed: true, Bucket: true}.Put(tables, store, "bob")
	mb := storetest.Open(t, store, "bob")
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	_, err = storetest.Read(t.Context(), mb, marked.String())
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	require.ErrorContains(t, err, "removed")
	storetest.Eventually(t, "the removal is finished", func() bool { return len(storetest.List(t, store, "bob")) == 0 })
}

// P2: content whose octets are not those that were stored is not sent as if
// they were: a small message is refused before +OK, a large one breaks off.
// What a read has repaired in part, without the hash, is missing too.
func TestP2OtherOctetsAreNotTheMessage(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	small := parseID(t, storetest.Deliver(t, store, "bob", storetest.Body(1)).ID)
	large := parseID(t, storetest.Deliver(t, store, "bob", storetest.BigBody(1, 300_000)).ID)
	without := parseID(t, storetest.Deliver(t, store, "bob", storetest.Body(2)).ID)
	at := cassandra.AddedAt
	tables.Exec("UPDATE KS.message USING TIMESTAMP ? SET data = ? WHERE message_id = ? AND chunk = 0", at(small)+1, []byte(strings.Repeat("x", len(storetest.Body(1)))), [16]byte(small))
	last := tables.Content(large) - 1
	var size int
	var data []byte
	require.NoError(t, tables.CQL.Query(tables.In("SELECT data FROM KS.message WHERE message_id = ? AND chunk = ?"), [16]byte(large), last).Scan(&data))
	size, data[0] = len(data), data[0]+1
	require.NotZero(t, size)
	tables.Exec("UPDATE KS.message USING TIMESTAMP ? SET data = ? WHERE message_id = ? AND chunk = ?", at(large)+1, data, [16]byte(large), last)
	tables.Exec("DELETE sha256 FROM KS.message USING TIMESTAMP ? WHERE message_id = ?", at(without)+1, [16]byte(without))

	mb := storetest.Open(t, store, "bob")
	for _, id := range []cassandra.MessageID{small, without} {
		_, err := mb.Open(t.Context(), id.String(), mailbox.OpenOptions{})
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NotErrorIs(t, err, mailbox.ErrNotFound)
	}
	body, err := mb.Open(t.Context(), large.String(), mailbox.OpenOptions{})
	require.NoError(t, err)
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	require.ErrorContains(t, err, "SHA-256")
}

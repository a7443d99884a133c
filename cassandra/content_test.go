package cassandra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A chunk whose row is there and whose octets are not, as a read repair of the
// other columns leaves it, is missing: it is not an empty stretch of the message,
// and neither is one that is cut short. An empty message is one all the same.
func TestP2ChunkWithoutItsOctets(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	tables := storetest.TablesOf(t, cluster, config)
	store := storetest.NewStore(t, config)
	const user = "hollow@example.org"
	for _, test := range []struct {
		name, body string
		chunk      int
		data       []byte
	}{
		{"small", storetest.Body(1), 0, nil},
		{"first of many", storetest.BigBody(1, 200<<10), 0, nil},
		{"one of many", storetest.BigBody(2, 200<<10), 7, nil},
		{"small, cut short", storetest.Body(3), 0, []byte("Subj")},
		{"one of many, cut short", storetest.BigBody(4, 200<<10), 7, []byte("x")},
		{"the last, longer", storetest.BigBody(5, 200<<10), 9, make([]byte, 16<<10)},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := storetest.Deliver(t, store, user, test.body)
			id, err := cassandra.ParseMessageID(m.ID)
			require.NoError(t, err)
			tables.Exec("UPDATE KS.message USING TIMESTAMP ? SET data = ? WHERE message_id = ? AND chunk = ?", id.Timestamp()+1, test.data, m.ID, test.chunk)
			mb := storetest.Open(t, store, user)
			_, err = storetest.TryList(t.Context(), mb)
			require.NoError(t, err)
			_, err = storetest.Read(t.Context(), mb, m.ID)
			require.Error(t, err)
			require.NotErrorIs(t, err, mailbox.ErrNotFound)
		})
	}
	empty := storetest.Deliver(t, store, "empty@example.org", "")
	require.Zero(t, empty.Size)
	require.Equal(t, map[string]string{empty.ID: ""}, storetest.Readable(t, store, "empty@example.org"))
}

package cassandra_test

import (
	"crypto/sha256"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P2: messages whose sizes are around the borders of chunks, with their static
// columns.
func TestP2ChunkBorders(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 1 << 16
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	const head = "Subject: border\r\n\r\n"
	for _, size := range []int{len(head), 1<<16 - 1, 1 << 16, 1<<16 + 1, 2<<16 - 1, 2 << 16, 2<<16 + 1, 3 << 16} {
		text := head + strings.Repeat("x", max(0, size-len(head)-2))
		if len(text) < size {
			text += "\r\n"
		}
		require.Len(t, text, size)
		// Whole, in halves, and with the end of the source beside the last
		// octets.
		for _, source := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			m, err := mailbox.Deliver(t.Context(), store, mailbox.To("bob"), source)
			require.NoError(t, err)
			require.Equal(t, int64(size), m.Size)
			got, err := mailbox.ReadMessage(t.Context(), storetest.Open(t, store, "bob"), m.ID)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256([]byte(text)), sha256.Sum256(got), "%d octets", size)
			requireRow(t, raw, config.Keyspace, m.ID, text, len(head))
		}
	}
}

// requireRow compares the static columns of a message with its octets.
func requireRow(t *testing.T, raw *gocql.Session, keyspace, id, text string, head int) {
	t.Helper()
	uuid, err := gocql.ParseUUID(id)
	require.NoError(t, err)
	var size int64
	var chunks, headSize int
	var sum []byte
	require.NoError(t, raw.Query("SELECT size, chunks, head, sha256 FROM "+keyspace+".message WHERE message_id = ? LIMIT 1", uuid).
		Scan(&size, &chunks, &headSize, &sum))
	require.Equal(t, int64(len(text)), size)
	require.Equal(t, head, headSize)
	want := sha256.Sum256([]byte(text))
	require.Equal(t, want[:], sum)
	var rows int
	require.NoError(t, raw.Query("SELECT count(*) FROM "+keyspace+".message WHERE message_id = ?", uuid).Scan(&rows))
	require.Equal(t, chunks, rows)
}

// The column head is right if the blank line is at the very start, across the
// border of two chunks, or missing.
func TestSizeOfTheHeadOfAMessage(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	long := strings.Repeat("X-Filler: 0123456789\r\n", 1<<16/22)
	for border := -5; border <= 5; border++ {
		pad := 1<<16 + border - len(long) - len("X: \r\n\r\n")
		header := long + "X: " + strings.Repeat("y", pad) + "\r\n\r\n"
		text := header + "body\r\n\r\nbody\r\n"
		m := storetest.Deliver(t, store, "bob", text)
		requireRow(t, raw, config.Keyspace, m.ID, text, len(header))
	}
	for text, head := range map[string]int{
		"\r\nbody\r\n":                            2,
		"Subject: x\r\n\r\n":                      14,
		"Subject: no blank line\r\n":              24,
		"\r\n\r\n":                                2,
		"a\r\n\r\nb\r\n\r\n":                      5,
		long + "a: b\r\n":                         len(long) + 6,
		long + "X: " + strings.Repeat("z", 1<<17): len(long) + 3 + 1<<17 + 2,
	} {
		m := storetest.Deliver(t, store, "bob", text)
		if !strings.HasSuffix(text, "\r\n") {
			text += "\r\n"
		}
		requireRow(t, raw, config.Keyspace, m.ID, text, head)
	}
	empty := storetest.Deliver(t, store, "bob", "")
	require.Zero(t, empty.Size)
	got, err := storetest.Read(t.Context(), storetest.Open(t, store, "bob"), empty.ID)
	require.NoError(t, err)
	require.Empty(t, got)
}

package cassandra_test

import (
	"bytes"
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

// P2: a chunk whose row is there without its data, as a read repair of the
// other columns leaves it, is missing, and not empty. So is one that is cut
// short. An empty message is a message all the same.
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
			_, err = mailbox.List(t.Context(), mb)
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

// TOP of a large message reads one chunk, and reads on if more is asked for.
func TestTopOfALargeMessageReadsOneChunk(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	text := "Subject: large\r\n\r\n" + strings.Repeat("0123456789 0123456789\r\n", 50_000)
	m := storetest.Deliver(t, store, "bob", text)
	mb := storetest.Open(t, store, "bob")
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	seen.Take()
	top, err := mb.Open(t.Context(), m.ID, mailbox.OpenOptions{For: mailbox.Top, Lines: 1})
	require.NoError(t, err)
	head := make([]byte, 1000)
	_, err = io.ReadFull(top, head)
	require.NoError(t, err)
	require.NoError(t, top.Close())
	reads := seen.Take()
	require.Len(t, reads, 1)
	require.Equal(t, 1, reads[0].Rows)

	top, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{For: mailbox.Top, Lines: 40_000})
	require.NoError(t, err)
	all, err := io.ReadAll(top)
	require.NoError(t, err)
	require.NoError(t, top.Close())
	require.Equal(t, text, string(all))
}

// P2: Read and WriteTo return what was delivered, also one after the other.
func TestP2ReadAndWriteToAgree(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	store := storetest.NewStore(t, config)
	message := storetest.BigBody(3, 300<<10)
	m := storetest.Deliver(t, store, "anna@example.org", message)
	mb := storetest.Open(t, store, "anna@example.org")
	reader, err := mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
	require.NoError(t, err)
	start := make([]byte, 1000)
	_, err = io.ReadFull(reader, start)
	require.NoError(t, err)
	var rest bytes.Buffer
	_, err = reader.(io.WriterTo).WriteTo(&rest)
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.Equal(t, message, string(start)+rest.String())
}

// A reader can be closed twice. It then waits for nothing and reads nothing:
// while the next chunks are being read, before the first octet, and after the
// last.
func TestReaderIsClosedOnce(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	config.ChunkSize = 16 << 10
	store := storetest.NewStore(t, config)
	const user = "closer@example.org"
	text := storetest.BigBody(3, 400<<10)
	m := storetest.Deliver(t, store, user, text)
	mb := storetest.Open(t, store, user)
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	for _, options := range []mailbox.OpenOptions{{}, {For: mailbox.Top, Lines: 1}} {
		for _, before := range []int{0, 1, 100 << 10, len(text)} {
			body, err := mb.Open(t.Context(), m.ID, options)
			require.NoError(t, err)
			_, err = io.ReadFull(body, make([]byte, before))
			require.NoError(t, err)
			done := make(chan struct{})
			go func() {
				defer close(done)
				require.NoError(t, body.Close())
				require.NoError(t, body.Close())
				n, err := body.Read(make([]byte, 1))
				require.Zero(t, n)
				require.Error(t, err)
				written, err := body.(io.WriterTo).WriteTo(io.Discard)
				require.Zero(t, written)
				require.Error(t, err)
			}()
			select {
			case <-done:
			case <-time.After(time.Minute):
				t.Fatalf("closed after %d octets: it hangs", before)
			}
		}
	}
}

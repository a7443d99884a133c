package cassandra_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// p3 is a keyspace to replay writes in.
type p3 struct {
	store   *cassandra.Store // on which they are seen
	index   cassandra.Index  // of the store
	tables  storetest.Tables
	cluster *cassandratest.Cluster

	held    *heldBack
	holding *cassandra.Store // whose writes are held back
}

func newP3(t testing.TB, now func() time.Time) p3 {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.MigrateWith(t, cluster, func(c *cassandra.Config) {
		c.Now, c.Horizon = now, aLife
		c.ChunkSize = 100
		c.SealAfter = -1 // no fence and no seal among the writes
	})
	store := storetest.NewStore(t, config)
	p := p3{store: store, index: projection.New(store.Session()), tables: storetest.TablesOf(t, cluster, config), cluster: cluster}

	index := new(knowing)
	p.held = &heldBack{writes: make(chan write, 100), known: index}
	config.Wrap = func(db cql.DB) cql.DB {
		p.held.DB = db
		return p.held
	}
	session := storetest.Connect(t, config)
	index.Index = projection.New(session)
	holding, err := cassandra.NewStore(session, index)
	require.NoError(t, err)
	t.Cleanup(func() { storetest.CloseStore(t, holding) })
	p.holding = holding
	return p
}

// write is one mutation of a message's life.
type write struct {
	name string // such as "INSERT message"
	run  func(ctx context.Context) error
}

// String shows a write in rapid's reports.
func (w write) String() string { return w.name }

// heldBack keeps the writes of a store from the cluster. They may be run later, in
// any order, any number of times, as the store would have run them.
type heldBack struct {
	cql.DB
	writes chan write
	known  *knowing // what a session of the store sees
}

// Exec implements [cql.DB].
func (h *heldBack) Exec(_ context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	h.writes <- write{nameOf(st), func(ctx context.Context) error {
		return h.DB.Exec(ctx, level, st, timestamp, values...)
	}}
	return nil
}

// ExecBatch implements [cql.DB].
func (h *heldBack) ExecBatch(_ context.Context, level cql.Level, batch *cql.Batch) error {
	if len(batch.Writes()) == 0 {
		return nil
	}
	h.writes <- write{nameOf(batch.Writes()[0].Statement), func(ctx context.Context) error {
		return h.DB.ExecBatch(ctx, level, batch)
	}}
	return nil
}

// Page implements [cql.DB]. The ledger has the bucket of the message that was
// added last, although that write is held back too.
func (h *heldBack) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) ([]byte, error) {
	if nameOf(st) == "SELECT ledger" && len(values) == 1 { // of a whole mailbox
		return nil, scan(bucketRow(h.known.last.ID.Bucket()))
	}
	return h.DB.Page(ctx, level, st, state, scan, values...)
}

// bucketRow is a row of the ledger that has nothing but its key.
type bucketRow int64

// Scan implements [cql.Row].
func (r bucketRow) Scan(columns ...any) error {
	*columns[0].(*int64) = int64(r)
	return nil
}

func nameOf(st *cql.Statement) string { return fmt.Sprintf("%s %s", st.Kind, st.Table.Name) }

// knowing is an index that lists the message that was added last, although the write
// is held back, so that a session may remove it.
type knowing struct {
	cassandra.Index
	last cassandra.Entry
}

// Added implements [cassandra.Index].
func (k *knowing) Added(ctx context.Context, mailbox cassandra.MailboxID, e cassandra.Entry) error {
	k.last = e
	return k.Index.Added(ctx, mailbox, e)
}

// List implements [cassandra.Index].
func (k *knowing) List(_ context.Context, _ cql.Level, _ cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return func(yield func(cassandra.Entry, error) bool) {
		for _, slice := range slices {
			if at := k.last.ID.Timestamp(); slice.From <= at && at <= slice.To && !yield(k.last, nil) {
				return
			}
		}
	}
}

// life is every write about one message, as the store sends them for a delivery and
// then for a removal.
type life struct {
	id      cassandra.MessageID
	mailbox cassandra.MailboxID
	bucket  int64
	user    string
	uidl    string
	body    string
	add     []write
	remove  []write
}

func (l life) all() []write { return slices.Concat(l.add, l.remove) }

// newLife delivers a message of so many chunks, and removes it. Its writes are held
// back.
func (p p3) newLife(t require.TestingT, user, uidl string, chunks int) life {
	ctx := context.Background()
	body := fmt.Sprintf("Subject: %s\r\n\r\nhello\r\n", user)
	if more := chunks - 1; more > 0 {
		const first, chunk = 64 << 10, 100 // octets
		body += strings.Repeat("x", first+more*chunk-chunk/2-len(body)) + "\r\n"
	}
	delivery := mailbox.To(user)
	delivery.UIDL = uidl
	m, err := mailbox.Deliver(ctx, p.holding, delivery, strings.NewReader(body))
	require.NoError(t, err)
	id, err := cassandra.ParseMessageID(m.ID)
	require.NoError(t, err)
	box, canonical, err := p.store.Mailbox(user)
	require.NoError(t, err)
	l := life{id: id, mailbox: box, bucket: id.Bucket(), user: canonical, uidl: uidl, body: body}
	for len(p.held.writes) > 0 {
		l.add = append(l.add, <-p.held.writes)
	}
	slices.SortStableFunc(l.add, func(a, b write) int { return cmp.Compare(a.name, b.name) }) // they came side by side

	session, err := p.holding.Open(ctx, mailbox.Login{User: user})
	require.NoError(t, err)
	_, err = mailbox.List(ctx, session)
	require.NoError(t, err)
	require.NoError(t, session.Delete(ctx, []string{m.ID}))
	for purged := false; !purged; {
		select {
		case w := <-p.held.writes:
			l.remove = append(l.remove, w)
			purged = w.name == "DELETE mailbox_message" // the last one
		case <-time.After(time.Minute):
			require.Fail(t, "the message is not purged", "%v", l.remove)
		}
	}
	return l
}

// state is what all tables say of a message, as text: a line for each.
func (p p3) state(t require.TestingT, l life) string {
	var state strings.Builder
	message, row := []any{[16]byte(l.id)}, []any{[16]byte(l.mailbox), l.bucket, [16]byte(l.id)}
	for _, q := range []struct {
		statement string
		values    []any
	}{
		{"SELECT * FROM KS.message WHERE message_id = ?", message},
		{"SELECT * FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", row},
		{"SELECT * FROM KS.projection WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", row},
		{"SELECT bucket, crowd, opened, seal, user, fence, writetime(user) FROM KS.ledger WHERE mailbox_id = ?", row[:1]},
		{"SELECT message_id, gone FROM KS.uidl WHERE mailbox_id = ? AND uidl = ?", []any{[16]byte(l.mailbox), l.uidl}},
	} {
		rows, err := p.tables.CQL.Query(p.tables.In(q.statement), q.values...).Iter().SliceMap()
		require.NoError(t, err)
		for _, row := range rows {
			if data, ok := row["data"].([]byte); ok {
				row["data"] = sha256.Sum256(data)
			}
		}
		fmt.Fprintln(&state, rows)
	}
	return state.String()
}

// gone checks that nothing of a message is to be seen.
func (p p3) gone(t require.TestingT, l life) {
	ctx := context.Background()
	for entry, err := range p.index.List(ctx, cql.LocalQuorum, l.mailbox, []cassandra.Slice{cassandra.BucketSlice(l.bucket)}) {
		require.NoError(t, err)
		require.NotEqual(t, l.id, entry.ID, "P3: it is listed again")
	}
	session, err := p.store.Open(ctx, mailbox.Login{User: l.user})
	require.NoError(t, err)
	_, err = session.Open(ctx, l.id.String(), mailbox.OpenOptions{})
	require.Error(t, err, "P3: it can be read again")
	rows := p.tables.CQL.Query(p.tables.In("SELECT size, removed FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ? AND message_id = ?"),
		[16]byte(l.mailbox), l.bucket, [16]byte(l.id)).Iter()
	var size *int64
	for removed := false; rows.Scan(&size, &removed); {
		require.False(t, size != nil && !removed, "P3: it is a member again")
	}
	require.NoError(t, rows.Close())
}

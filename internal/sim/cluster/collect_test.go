package cluster

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// recorder keeps the statements that go through it.
type recorder struct {
	cql.DB
	mu   sync.Mutex
	seen []*cql.Statement
}

func (r *recorder) note(st *cql.Statement) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.seen, st) {
		r.seen = append(r.seen, st)
	}
}

// Exec implements [cql.DB].
func (r *recorder) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	r.note(st)
	return r.DB.Exec(ctx, level, st, timestamp, values...)
}

// ExecBatch implements [cql.DB].
func (r *recorder) ExecBatch(ctx context.Context, level cql.Level, b *cql.Batch) error {
	for _, w := range b.Writes() {
		r.note(w.Statement)
	}
	return r.DB.ExecBatch(ctx, level, b)
}

// Page implements [cql.DB].
func (r *recorder) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) ([]byte, error) {
	r.note(st)
	return r.DB.Page(ctx, level, st, state, scan, values...)
}

// collect runs the library on a cluster, and returns the statements that it
// sends through [cassandra.Config.Wrap], which are all but those of the
// settings.
func collect(t *testing.T, cluster *cassandratest.Cluster) []*cql.Statement {
	t.Helper()
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 100
	config.SealAfter = 1
	config.Horizon = time.Second
	config.BucketMessages = 10
	var seen []*recorder
	config.Wrap = func(db cql.DB) cql.DB {
		seen = append(seen, &recorder{DB: db})
		return seen[len(seen)-1]
	}
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	exercise(t, store, tables)
	seal(t, store, tables)
	_, err := store.RepairAll(t.Context(), cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{
		Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.RestoreOrphans,
	}})
	require.NoError(t, err)
	_, err = store.RebuildAll(t.Context(), cassandra.ScanOptions{})
	require.NoError(t, err)
	storetest.CloseStore(t, store)
	var all []*cql.Statement
	for _, r := range seen {
		for _, st := range r.seen {
			if !slices.Contains(all, st) {
				all = append(all, st)
			}
		}
	}
	return all
}

// exercise does all that a store can do.
func exercise(t *testing.T, store *cassandra.Store, tables storetest.Tables) {
	ctx := t.Context()
	var ids []string
	for n := range 3 {
		ids = append(ids, storetest.Deliver(t, store, "anna", storetest.Body(n)).ID)
	}
	large := storetest.Deliver(t, store, "anna", storetest.BigBody(1, 66<<10)).ID
	for range 2 {
		_, err := storetest.Import(ctx, store, "foreign", "anna", "bob")
		require.NoError(t, err)
	}
	for _, p := range []storetest.Plant{
		{Age: time.Minute, Content: "whole", Member: "live", UIDL: "planted"}, {Age: time.Minute, Content: "chunked"},
		{Age: time.Minute, Content: "torn", Member: "live"}, {Age: time.Minute, Listed: true}, {Age: time.Minute, Content: "homeless"},
		{Age: time.Minute, Content: "whole", Member: "live", Listed: true, Bucket: true, Sealed: true},
	} {
		p.Put(tables, store, "bob")
	}
	mb := storetest.Open(t, store, "anna")
	_, err := mailbox.List(ctx, mb)
	require.NoError(t, err)
	for _, id := range []string{ids[0], large} {
		_, err = storetest.Read(ctx, mb, id)
		require.NoError(t, err)
		top, err := mb.Open(ctx, id, mailbox.OpenOptions{For: mailbox.Top, Lines: 1})
		require.NoError(t, err)
		require.NoError(t, top.Close())
	}
	storetest.Remove(t, store, "anna", []string{ids[1], large})
	tables.Mark(store, "anna", ids[2])
	for _, user := range []string{"anna", "bob"} {
		_, err = store.Verify(ctx, user)
		require.NoError(t, err)
		_, err = store.Repair(ctx, user, cassandra.RepairOptions{})
		require.NoError(t, err)
		_, err = store.Rebuild(ctx, user)
		require.NoError(t, err)
		_, err = store.Measure(ctx, user)
		require.NoError(t, err)
		_, err = store.Replay(ctx, user, nobody{})
		require.NoError(t, err)
	}
	_, err = store.Largest(ctx, 3)
	require.NoError(t, err)
	_, err = store.Empty(ctx, "bob")
	require.NoError(t, err)
	require.NoError(t, store.Ready(ctx))
}

// seal seals a mailbox twice, of which an old bucket is empty.
func seal(t *testing.T, store *cassandra.Store, tables storetest.Tables) {
	box, user, err := store.Mailbox("carl")
	require.NoError(t, err)
	old := storetest.Plant{Age: 60 * 24 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}.Put(tables, store, user)
	ids := []string{old.String()}
	for n := range 3 {
		ids = append(ids, storetest.Deliver(t, store, user, storetest.Body(n)).ID)
	}
	sealed := func(remove ...string) {
		before, began := sealsOf(tables, box), time.Now()
		storetest.Eventually(t, "the horizon lies behind", func() bool { return time.Since(began) > 2*time.Second })
		storetest.Remove(t, store, user, remove)
		storetest.Eventually(t, "a later seal", func() bool {
			storetest.Open(t, store, user) // a proof that has failed is done again
			return sealsOf(tables, box) > before
		})
	}
	sealed(ids[:2]...)
	require.NotContains(t, tables.Ledger(box), old.Bucket())
	require.Equal(t, ids[2:], storetest.ListIDs(t, store, user))
	sealed(ids[2])
	require.Equal(t, ids[3:], storetest.ListIDs(t, store, user))
}

// sealsOf returns the end of the latest seal of a mailbox, in microseconds.
func sealsOf(tables storetest.Tables, box cassandra.MailboxID) (until int64) {
	for _, row := range tables.Ledger(box) {
		until = max(until, row.Until)
	}
	return until
}

type nobody struct{}

// MailboxChanged implements [mailbox.Listener].
func (nobody) MailboxChanged(context.Context, mailbox.Event) error { return nil }

// declaredIn returns the names of the statements that a file declares.
func declaredIn(t *testing.T, file string) (names []string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\t((?:insert|select|delete|mark)\w+)\s*=`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

// requireAll requires that the statements are as many as the library declares,
// except those of the settings, which do not go through a decorator. It
// returns them with these.
func requireAll(t *testing.T, seen []*cql.Statement) []*cql.Statement {
	t.Helper()
	declared := append(declaredIn(t, "../../../cassandra/statements.go"), declaredIn(t, "../../../projection/projection.go")...)
	declared = slices.DeleteFunc(declared, func(name string) bool {
		return strings.HasSuffix(name, "Settings") || strings.HasSuffix(name, "Replication")
	})
	texts := make(map[string]bool)
	for _, st := range seen {
		t.Logf("seen: %s, pages of %d", st, st.Rows)
		texts[st.String()] = true
	}
	require.GreaterOrEqual(t, len(seen), len(declared), "of %v", declared)
	settings := cql.Table{Name: "settings", Partition: []string{"id"},
		Columns: []string{"version", "namespace", "canonicaliser", "replication", "replication_since"}}
	for _, st := range []*cql.Statement{
		settings.Insert("version", "namespace", "canonicaliser"),
		settings.Insert("replication", "replication_since"),
		settings.Select(1, "replication", "replication_since").Where(cql.Equal("id")),
		settings.Select(1, "version", "namespace", "canonicaliser").Where(cql.Equal("id")),
	} {
		if !texts[st.String()] {
			seen = append(seen, st)
		}
	}
	return seen
}

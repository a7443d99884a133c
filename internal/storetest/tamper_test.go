package storetest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
)

func TestMain(m *testing.M) { os.Exit(paxostest.MainNoLeaks(m)) }

var (
	tableT  = cql.Table{Name: "t", Partition: []string{"k"}, Clustering: []string{"c"}, Columns: []string{"v"}}
	insertT = tableT.Insert("v")
	deleteT = tableT.Delete()
	selectT = tableT.Select(10, "c", "v").Where(cql.Equal("k"))
)

func rowsOf(t *testing.T, db cql.DB, k int) map[int]string {
	t.Helper()
	found := make(map[int]string)
	require.NoError(t, cql.Each(t.Context(), db, cql.LocalQuorum, selectT, func(row cql.Row) error {
		var c int
		var v string
		if err := row.Scan(&c, &v); err != nil {
			return err
		}
		found[c] = v
		return nil
	}, k))
	return found
}

// A tampered session sends what the test makes of a statement, and no other one
// does: without Tamper the same calls leave what they say.
func TestTamper(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	session := storetest.Connect(t, config)
	ctx := t.Context()
	require.NoError(t, session.Define(ctx, "CREATE TABLE t (k int, c int, v text, PRIMARY KEY (k, c))"))
	write := func(s cql.DB, k int) {
		require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 10, k, 1, "one"))
		require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 10, k, 2, "two"))
		require.NoError(t, s.Exec(ctx, cql.LocalQuorum, insertT, 10, k, 3, "three"))
		var batch cql.Batch
		batch.Add(deleteT, 11, k, 1)
		batch.Add(deleteT, 11, k, 2)
		batch.Add(insertT, 11, k, 4, "four")
		require.NoError(t, s.ExecBatch(ctx, cql.LocalQuorum, &batch))
	}
	s := session.DB()
	write(s, 1)
	require.Equal(t, map[int]string{3: "three", 4: "four"}, rowsOf(t, s, 1))

	blind := false
	config.Wrap = storetest.Tamper(func(call *storetest.Call) {
		switch {
		case strings.HasPrefix(call.Statement, "SELECT"):
			require.Zero(t, call.Timestamp)
			call.Level, call.Drop = cql.All, blind
		case call.Values[1] == 1 && strings.HasPrefix(call.Statement, "DELETE"):
			require.Equal(t, int64(11), call.Timestamp)
			call.Timestamp = 9 // before what it deletes
		case call.Values[1] == 2 && strings.HasPrefix(call.Statement, "DELETE"), call.Values[1] == 3:
			call.Drop = true
		case call.Values[1] == 4:
			call.Values[2] = "vier"
		}
	})
	tampered := storetest.Connect(t, config).DB()
	write(tampered, 2)
	seen.Take()
	want := map[int]string{1: "one", 2: "two", 4: "vier"}
	require.Equal(t, want, rowsOf(t, tampered, 2))
	require.Equal(t, "ALL", seen.Take()[0].Consistency)
	require.Equal(t, want, rowsOf(t, s, 2))
	blind = true
	require.Empty(t, rowsOf(t, tampered, 2))
	require.Equal(t, want, rowsOf(t, s, 2))

	var batch cql.Batch
	batch.Add(deleteT, 20, 2, 2)
	seen.Take()
	require.NoError(t, tampered.ExecBatch(ctx, cql.LocalQuorum, &batch))
	require.Empty(t, seen.Take(), "a batch of which nothing is left is not sent")
}

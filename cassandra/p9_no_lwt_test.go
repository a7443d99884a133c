package cassandra_test

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P9: no statement is a lightweight transaction. The proof has three parts.
//
//  1. Every session of these tests has an observer, storetest.CheckP9. It fails
//     the test on a statement with a condition, at a serial level, or against
//     one of the rules that take the place of conditions.
//  2. Every keyspace is looked for in system.paxos on each node, at the end of
//     its test and at the end of the run (package paxostest, which other
//     packages use too).
//  3. No source has a word that would make a lightweight transaction.
//
// Two tests of the tests show that the first two parts find what they look for.

// The whole life of messages, with everything that the store can do: the
// observer sees every statement.
func TestP9NoLightweightTransactions(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.SealAfter = -1 // only when the test asks
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)

	small := storetest.Deliver(t, store, "bob", storetest.Body(1))
	large := storetest.Deliver(t, store, "bob", "\r\n"+strings.Repeat("0123456789\r\n", 40_000))
	foreign := mailbox.To("bob", "eve")
	foreign.UIDL = "from-another-system"
	_, err := store.Append(t.Context(), foreign, strings.NewReader(storetest.Body(2)))
	require.NoError(t, err)
	mb := storetest.Open(t, store, "bob")
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Len(t, listed, 3)
	for _, m := range listed {
		_, err := storetest.Read(t.Context(), mb, m.ID)
		require.NoError(t, err)
	}
	top, err := mb.Open(t.Context(), large.ID, mailbox.OpenOptions{For: mailbox.Top})
	require.NoError(t, err)
	require.NoError(t, top.Close())
	require.NoError(t, mb.Delete(t.Context(), []string{small.ID, large.ID}))
	gone, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.NoError(t, err)
	storetest.Eventually(t, "the ladder to its end", func() bool { // at first the content may still be there
		_, err = storetest.Read(t.Context(), gone, small.ID)
		return err != nil
	})
	require.ErrorIs(t, err, mailbox.ErrNotFound)
	_, err = store.Verify(t.Context(), "bob")
	require.NoError(t, err)
	_, err = store.Repair(t.Context(), "bob", cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
	require.NoError(t, err)
	deliverAt(t, config, "bob", time.Now().Add(-3*time.Hour), 3)
	require.NoError(t, store.Prove(t.Context(), "bob"))
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{config.LocalDC: 1}))

	tables := make(map[string]bool)
	table := regexp.MustCompile(`(?i)\b(?:INTO|FROM|UPDATE)\s+(\w+)`)
	for _, o := range seen.Take() {
		require.Empty(t, storetest.Problem(o), o.Statement)
		if name := table.FindStringSubmatch(o.Statement)[1]; name != "system" { // a node's own: its clock
			tables[name] = true
		}
	}
	for _, name := range []string{"settings", "message", "mailbox_message", "projection", "ledger", "uidl"} {
		require.True(t, tables[name], "no statement on %s was seen: the observer is in the wrong place", name)
	}
	ids, err := paxostest.Tables(cluster, config.Keyspace)
	require.NoError(t, err)
	require.Len(t, ids, len(tables))
	for _, node := range cluster.Nodes {
		found, err := paxostest.Rows(node.Addr(), ids)
		require.NoError(t, err)
		require.Empty(t, found)
	}
}

// failing is a testing.TB that keeps its failures.
type failing struct {
	testing.TB
	failures []string
}

func (f *failing) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}

// A test of the test: the observer fails its test.
func TestP9TheObserverFindsTransactions(t *testing.T) {
	const insert = "INSERT INTO message (message_id) VALUES (?) "
	for name, seen := range map[string]cassandra.Observation{
		"said by the driver":     {Statement: insert + "USING TIMESTAMP ?", Conditional: true},
		"IF NOT EXISTS":          {Statement: insert + "IF NOT EXISTS USING TIMESTAMP ?"},
		"IF of another line":     {Statement: "UPDATE message USING TIMESTAMP ? SET size=? WHERE message_id=?\nif size=?"},
		"IF after a bracket":     {Statement: "INSERT INTO message (message_id) VALUES (?)IF NOT EXISTS"},
		"serial read":            {Statement: "SELECT size FROM message WHERE message_id=?", Consistency: "SERIAL"},
		"local serial read":      {Statement: "SELECT size FROM message WHERE message_id=?", Consistency: "LOCAL_SERIAL"},
		"a level without a name": {Statement: "SELECT size FROM message WHERE message_id=?", Consistency: "UNKNOWN_CONS_0x8"},
		"TTL":                    {Statement: insert + "USING TIMESTAMP ? AND TTL ?"},
		"the timestamp of now":   {Statement: insert},
		"range delete":           {Statement: "DELETE FROM projection USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=? AND message_id<?"},
		"delete of several":      {Statement: "DELETE FROM message USING TIMESTAMP ? WHERE message_id IN ?"},
		"filtering":              {Statement: "SELECT size FROM message WHERE size>? ALLOW FILTERING"},
		"counter, by its batch":  {Statement: "BEGIN COUNTER BATCH UPDATE c SET n = n + 1 WHERE k=? APPLY BATCH"},
	} {
		watch := &failing{TB: t}
		seen.Consistency = cmp.Or(seen.Consistency, "EACH_QUORUM")
		storetest.CheckP9(watch, seen)
		require.Len(t, watch.failures, 1, name)
	}
	for _, fine := range []string{
		insert + "USING TIMESTAMP ?",
		"DELETE FROM projection USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=? AND message_id=?",
		"SELECT identifier FROM message WHERE message_id=?",
	} {
		watch := &failing{TB: t}
		storetest.CheckP9(watch, cassandra.Observation{Statement: fine, Consistency: "LOCAL_QUORUM"})
		require.Empty(t, watch.failures)
	}
}

// A test of the test: a lightweight transaction leaves a row, which is found.
func TestP9SystemPaxosShowsTransactions(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	keyspace := cluster.Keyspace(t)
	session := cluster.Session(t, "")
	require.NoError(t, session.Query("CREATE TABLE "+keyspace+".t (k int PRIMARY KEY, v int)").Exec())
	require.NoError(t, session.Query("CREATE TABLE "+keyspace+".other (k int PRIMARY KEY, v int)").Exec())
	require.NoError(t, session.Query("INSERT INTO "+keyspace+".other (k, v) VALUES (1, 1)").Exec())
	require.NoError(t, session.Query("INSERT INTO "+keyspace+".t (k, v) VALUES (1, 1) IF NOT EXISTS").SerialConsistency(gocql.LocalSerial).Exec())
	tables, err := paxostest.Tables(cluster, keyspace)
	require.NoError(t, err)
	require.Len(t, tables, 2)
	var found []string
	for _, node := range cluster.Nodes {
		rows, err := paxostest.Rows(node.Addr(), tables)
		require.NoError(t, err)
		found = append(found, rows...)
	}
	require.NotEmpty(t, found)
	for _, table := range found {
		require.Equal(t, keyspace+".t", table)
	}
}

// No string and no call in the sources makes a transaction, a counter, a TTL, a
// filter, a list, a view or an index.
func TestP9NoSourceSaysIF(t *testing.T) {
	inStrings := regexp.MustCompile(`(?i)\bIF\s+(NOT\s+)?EXISTS\b|\bIF\s+\w+\s*[=<>]|\bSERIAL\b|\bTTL\b|\bCOUNTER\b|ALLOW\s+FILTERING|BEGIN\s+(LOGGED\s+)?BATCH`)
	calls := regexp.MustCompile(`^(If|Unique|Existing|IfExists|IfNotExists|TTL|TTLNamed|AllowFiltering|SerialConsistency|` +
		`ExecCAS|ScanCAS|MapScanCAS|MapExecuteBatchCAS|ExecuteBatchCAS|GetCAS|ExecCASRelease|Lwt|LoggedBatch|CounterBatch|Serial|LocalSerial|DowngradingConsistencyRetryPolicy)$`)
	condition := regexp.MustCompile(`(?i)\bIF\b`)
	files := 0
	for _, folder := range []string{".", "../projection", "cql", "../internal/driver"} {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		require.NoError(t, err)
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") || path == "../internal/driver/rules.go" { // which names what it refuses
				continue
			}
			files++
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			ast.Inspect(file, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.BasicLit:
					if n.Kind != token.STRING {
						return true
					}
					text, err := strconv.Unquote(n.Value)
					require.NoError(t, err)
					if inStrings.MatchString(text) && !strings.HasPrefix(strings.TrimSpace(text), "CREATE ") {
						t.Errorf("P9: %s: %s", set.Position(n.Pos()), text)
					}
				case *ast.SelectorExpr:
					if calls.MatchString(n.Sel.Name) {
						t.Errorf("P9: %s: %s", set.Position(n.Pos()), n.Sel.Name)
					}
				}
				return true
			})
		}
	}
	require.Greater(t, files, 20, "the sources have moved")

	schema, err := os.ReadFile("schema.cql")
	require.NoError(t, err)
	for line := range bytes.Lines(schema) {
		code, _, _ := strings.Cut(string(line), "--")
		if code = strings.TrimPrefix(code, "CREATE TABLE IF NOT EXISTS"); condition.MatchString(code) ||
			regexp.MustCompile(`(?i)\b(counter|list|set|map|view|index|default_time_to_live)\b\s*[<(]?`).MatchString(code) {
			t.Errorf("P9: schema.cql: %s", line)
		}
	}
}

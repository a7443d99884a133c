package cluster

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/slow"
)

// schemaOfLibrary returns the statements of schema.cql.
func schemaOfLibrary(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile("../../../cassandra/schema.cql")
	require.NoError(t, err)
	bare := regexp.MustCompile(`--[^\n]*`).ReplaceAllString(string(text), "")
	var statements []string
	for _, statement := range strings.Split(bare, ";") {
		if strings.TrimSpace(statement) != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

var settings = map[string]any{
	"tombstone_warn_threshold": testWarn, "tombstone_failure_threshold": testFail,
	"hinted_handoff_enabled": false,
}

// levels that ask every replica of a cluster in which one is enough.
var levels = []cql.Level{cql.LocalQuorum, cql.EachQuorum, cql.All, Quorum}

// The simulation answers 10,000 random statements as a node does.
func TestFaithfulToANode(t *testing.T) {
	slow.Test(t, "10,000 statements on a node of its own")
	t.Parallel()
	real := cassandratest.Start(t, cassandratest.Topology{Settings: settings})
	c, config := newComparison(t, real)
	defer c.real.Close()
	every := append(levels, One, LocalOne)
	for c.number < 9_000**timesFlag {
		c.step(every, every)
	}
	c.forgetTombstones(real, config)
	for end := c.number + 800**timesFlag; c.number < end; {
		c.step(every, every)
	}
	c.report()
	require.Positive(t, c.classes["too many tombstones"])
	require.Zero(t, c.classes["timeout"])
}

// step runs a random statement on both sides.
func (c *comparison) step(forWrites, forReads []cql.Level) {
	c.t.Helper()
	g := c.g
	if g.IntN(150) == 0 {
		g.era++
	}
	from, reads := pick(g, [][]*cql.Statement{g.known, g.made}), g.IntN(2) == 0
	st := pick(g, from)
	for (st.Kind == cql.Select) != reads {
		st = pick(g, from)
	}
	switch {
	case reads:
		c.read(pick(g, forReads), st, g.values(st), func() {
			if g.IntN(4) == 0 {
				c.write(pick(g, forWrites), g.batch(g.write()))
			}
		})
	default:
		c.write(pick(g, forWrites), g.batch(st))
	}
}

// forgetTombstones lowers gc_grace_seconds, so that reads do not see the
// tombstones any more. Then it flushes and compacts, and writes what the
// tombstones deleted again.
func (c *comparison) forgetTombstones(real *cassandratest.Cluster, config cassandra.Config) {
	c.t.Helper()
	c.alterTables(1)
	written := time.Now()
	require.Eventually(c.t, func() bool { return time.Since(written) > 3*time.Second }, time.Minute, 10*time.Millisecond)
	c.readAll("without the tombstones")
	if real.Dir != "" { // not an existing cluster, on which there is no nodetool
		for _, command := range []string{"flush", "compact"} {
			for _, node := range real.Nodes {
				_, err := real.NodeTool(c.t.Context(), node.Name, command, config.Keyspace)
				require.NoError(c.t, err)
			}
		}
		for _, n := range c.sim.nodes {
			n.Compact(time.Now())
		}
	}
	c.alterTables(defaultGCGrace)
	c.readAll("after a compaction")
}

func (c *comparison) alterTables(gcGrace int) {
	c.t.Helper()
	for _, t := range c.sim.schema.tables {
		statement := fmt.Sprintf("ALTER TABLE %s WITH gc_grace_seconds = %d", t.name, gcGrace)
		require.NoError(c.t, c.real.Define(c.t.Context(), statement))
		require.NoError(c.t, c.sim.Define(statement))
	}
}

// readAll reads all tables at ONE: each partition, and the ring.
func (c *comparison) readAll(when string) {
	c.t.Helper()
	c.t.Logf("all, %s: from statement %d on", when, c.number+1)
	for i, t := range c.g.tables {
		of := c.sim.schema.tables[i]
		every := t.Select(1000, slices.Concat(t.Partition, t.Clustering, t.Static, t.Columns)...)
		st := every.Where(cql.Equal(t.Partition...))
		for _, key := range c.sim.keys[of.index].all {
			var values []any
			for j, column := range of.partition {
				values = append(values, column.kind.value(c.t, key.parts[j]))
			}
			c.read(One, st, values, func() {})
		}
		c.read(LocalOne, every.Where(cql.TokenAfter()), []any{int64(math.MinInt64)}, func() {})
	}
}

// value returns a serialised value as package cql has it.
func (k kind) value(t *testing.T, from string) any {
	switch k {
	case kindUUID, kindTimeUUID:
		return [16]byte([]byte(from))
	case kindBigint:
		return k.number(from)
	case kindText:
		return from
	}
	require.Fail(t, fmt.Sprintf("no partition key has the type %s", k))
	return nil
}

// batch draws the values of a write, and sometimes more writes to the same
// partition: many deletes, or a few of any kind.
func (g *generator) batch(st *cql.Statement) []cql.Write {
	first := cql.Write{Statement: st, Timestamp: g.timestamp(), Values: g.values(st)}
	writes := []cql.Write{first}
	n := 0
	switch {
	case g.IntN(10) == 0:
		n = 1 + g.IntN(4)
	case st.Kind == cql.Delete && g.IntN(6) == 0:
		n = 40
	}
	for range n {
		other := st
		for n < 40 {
			if other = pick(g, g.made); other.Kind != cql.Select && other.Table.Name == st.Table.Name {
				break
			}
		}
		w := cql.Write{Statement: other, Timestamp: g.timestamp(), Values: g.values(other)}
		g.setKey(w, first)
		writes = append(writes, w)
	}
	return writes
}

// setKey gives a write the partition of another one.
func (g *generator) setKey(w, from cql.Write) {
	at := func(st *cql.Statement) int {
		if st.Kind == cql.Update {
			return len(st.Columns)
		}
		return 0
	}
	n := len(w.Statement.Table.Partition)
	copy(w.Values[at(w.Statement):at(w.Statement)+n], from.Values[at(from.Statement):])
}

package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// A small table for the tests of one thing at a time.
var (
	tableT = cql.Table{Name: "t", Partition: []string{"k"}, Clustering: []string{"c"}, Static: []string{"s"}, Columns: []string{"v", "w"}}

	insertT       = tableT.Insert("v")
	insertBothT   = tableT.Insert("v", "w")
	insertStaticT = tableT.InsertStatic("s")
	updateT       = tableT.Update("v")
	deleteT       = tableT.Delete()
	deleteAllT    = tableT.DeletePartition()
	selectT       = tableT.Select(100, "c", "v").Where(cql.Equal("k"))
	selectBothT   = tableT.Select(100, "c", "v", "w").Where(cql.Equal("k"))
	selectRowT    = tableT.Select(1, "v").Where(cql.Equal("k", "c"))
	selectRingT   = tableT.Select(2, "k", "c", "v", "s").Where(cql.TokenAfter())
)

const createT = `CREATE TABLE IF NOT EXISTS t (
    k int,
    c int,
    s text static,  -- a comment, with a comma
    v text,
    w text,
    PRIMARY KEY ((k), c)
) WITH gc_grace_seconds = 100 AND read_repair = 'BLOCKING'`

var epoch = time.Unix(1_800_000_000, 0)

// at returns an environment at a time, in seconds.
func at(seconds int) Env {
	return Env{Now: func() time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }}
}

func trio(t testing.TB) *Cluster {
	t.Helper()
	c := New(DC{Name: "dc1", Nodes: 3, Replicas: 3})
	require.NoError(t, c.Define(createT))
	return c
}

func mutation(t testing.TB, c *Cluster, st *cql.Statement, timestamp int64, values ...any) *Mutation {
	t.Helper()
	m, err := c.Mutation([]cql.Write{{Statement: st, Timestamp: timestamp, Values: values}}, epoch)
	require.NoError(t, err)
	return m
}

// read reads all pages, in lines.
func read(t testing.TB, c *Cluster, env Env, level cql.Level, st *cql.Statement, values ...any) (lines []string) {
	t.Helper()
	lines, err := tryRead(c, env, level, st, values...)
	require.NoError(t, err)
	return lines
}

func tryRead(c *Cluster, env Env, level cql.Level, st *cql.Statement, values ...any) (lines []string, err error) {
	var state []byte
	for {
		r, err := c.NewRead(st, state, values)
		if err != nil {
			return lines, err
		}
		page, err := c.Read(level, c.dcs[0], r, env)
		if err != nil {
			return lines, err
		}
		for _, row := range page.Rows {
			line := ""
			for i := range row.plan.targets {
				value, null := row.column(&row.plan.targets[i])
				if line += " "; null {
					line += "null"
				} else {
					line += row.plan.targets[i].kind.format(value)
				}
			}
			lines = append(lines, line[1:])
		}
		if page.Next == nil {
			return lines, nil
		}
		state = page.Next
	}
}

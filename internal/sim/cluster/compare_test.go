package cluster

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/storetest"
)

var (
	seedFlag  = flag.Uint64("cluster.seed", 0, "seed of the random statements; 0: a new one")
	timesFlag = flag.Int("cluster.times", 1, "run so many times as many random statements")
)

// seed is that of all comparisons of a run.
var seed = sync.OnceValue(func() uint64 {
	seed := *seedFlag
	for seed == 0 {
		seed = rand.Uint64()
	}
	return seed
})

// The tables of the library, and one with a key of many types.
const oddTable = `CREATE TABLE IF NOT EXISTS odd (
    k text,
    l bigint,
    b boolean,
    u uuid,
    d blob,
    n int,
    s text static,
    z int static,
    v text,
    w uuid,
    PRIMARY KEY ((k, l), b, u, d, n)
) WITH gc_grace_seconds = 864000`

// The thresholds of the nodes in these tests.
const (
	testWarn = 15
	testFail = 30
)

// comparison runs statements on real nodes and on a simulation of them.
type comparison struct {
	t       *testing.T
	g       *generator
	real    *driver.Session
	sim     *Cluster
	down    map[string]bool // nodes of both
	number  int             // of the last statement
	classes map[string]int  // how many statements had which outcome
	rows    int             // that were the same
	pages   int
	log     []string // of the statements
}

// newComparison makes the tables on both sides.
func newComparison(t *testing.T, real *cassandratest.Cluster) (*comparison, cassandra.Config) {
	t.Helper()
	config := storetest.Migrate(t, real)
	sim := New(DC{Name: real.DCs[0].Name, Nodes: real.DCs[0].Nodes, Replicas: min(3, real.DCs[0].Nodes)})
	sim.SetThresholds(testWarn, testFail)
	for _, statement := range append(schemaOfLibrary(t), oddTable) {
		require.NoError(t, sim.Define(statement))
	}
	c := &comparison{t: t, sim: sim, down: make(map[string]bool), classes: make(map[string]int)}
	c.connect(config, real.Hosts(""))
	require.NoError(t, c.real.Define(t.Context(), oddTable))
	known := requireAll(t, collect(t, real))
	slices.SortFunc(known, func(a, b *cql.Statement) int {
		return cmp.Or(strings.Compare(a.String(), b.String()), cmp.Compare(a.Rows, b.Rows))
	})
	t.Logf("-cluster.seed %d", seed())
	c.g = newGenerator(seed(), sim.schema, known)
	c.clear(config, real)
	return c, config
}

// clear empties the settings, which Migrate has filled.
func (c *comparison) clear(config cassandra.Config, real *cassandratest.Cluster) {
	storetest.TablesOf(c.t, real, config).Exec("TRUNCATE KS.settings")
}

func (c *comparison) connect(config cassandra.Config, hosts []string) {
	c.t.Helper()
	session, err := driver.Connect(c.t.Context(), driver.Config{
		Hosts: hosts, LocalDC: config.LocalDC, Keyspace: config.Keyspace, Retries: -1, Timeout: 20 * time.Second,
	})
	require.NoError(c.t, err)
	if c.real != nil {
		c.real.Close()
	}
	c.real = session
}

// env is the environment of a coordinator that knows which nodes are down.
func (c *comparison) env() Env {
	return Env{Now: time.Now, Down: func(n *Node) bool { return c.down[n.Name] }}
}

// classOf returns the class of an error, "" for none.
func classOf(err error) string {
	var unavailable *gocql.RequestErrUnavailable
	var write *gocql.RequestErrWriteTimeout
	var read *gocql.RequestErrReadTimeout
	switch {
	case err == nil:
		return ""
	case errors.Is(err, cql.ErrTooManyTombstones):
		return "too many tombstones"
	case errors.Is(err, ErrUnavailable), errors.As(err, &unavailable):
		return "unavailable"
	case errors.Is(err, ErrTimeout), errors.As(err, &write), errors.As(err, &read):
		return "timeout"
	}
	return "other"
}

// same requires that an outcome is the same on both sides.
func (c *comparison) same(what string, level cql.Level, values []any, errReal, errSim error, real, sim any) {
	c.t.Helper()
	c.log = append(c.log, fmt.Sprintf("%d: at %s, down: %v: %s: %s: %s %v", c.number, level, c.down, what, show(values), classOf(errReal), real))
	if classOf(errReal) == classOf(errSim) && fmt.Sprint(real) == fmt.Sprint(sim) {
		outcome := classOf(errReal)
		if outcome == "" {
			outcome = "ok"
		}
		c.classes[outcome]++
		return
	}
	c.t.Logf("before, on the same table:\n%s", strings.Join(c.before(what), "\n"))
	c.t.Fatalf("-cluster.seed %d, statement %d at %s, down: %v\n%s\nvalues %s\nreal: %v\n%v\nsimulated: %v\n%v\nthe simulation has:\n%s",
		seed(), c.number, level, c.down, what, show(values), errReal, real, errSim, sim, c.dump(what))
}

// before returns the last statements on the tables that a text names.
func (c *comparison) before(what string) (lines []string) {
	const most = 300
	for _, line := range c.log {
		if c.about(what, line) {
			lines = append(lines, line)
		}
	}
	return lines[max(0, len(lines)-most):]
}

// about reports whether a line names one of the tables that a text names.
func (c *comparison) about(what, line string) bool {
	return slices.ContainsFunc(c.sim.schema.tables, func(t *table) bool {
		return strings.Contains(what, " "+t.name+" ") && strings.Contains(line, " "+t.name+" ")
	})
}

func (c *comparison) dump(what string) string {
	var all strings.Builder
	for _, t := range c.sim.schema.tables {
		if !c.about(what, " "+t.name+" ") {
			continue
		}
		for _, n := range c.sim.nodes {
			fmt.Fprintf(&all, "%s:\n%s\n", n.Name, strings.Join(n.Dump(t.name), "\n"))
		}
	}
	return all.String()
}

func show(values []any) string {
	var parts []string
	for _, v := range values {
		switch v := v.(type) {
		case [16]byte:
			parts = append(parts, kindUUID.format(string(v[:])))
		case [][16]byte:
			for _, id := range v {
				parts = append(parts, "IN "+kindUUID.format(string(id[:])))
			}
		default:
			parts = append(parts, fmt.Sprintf("%#v", v))
		}
	}
	return strings.Join(parts, ", ")
}

// write runs writes on both sides.
func (c *comparison) write(level cql.Level, writes []cql.Write) {
	c.t.Helper()
	c.number++
	if n := time.Now().Nanosecond(); n > 950_000_000 { // both sides must see the same second
		<-time.After(time.Second - time.Duration(n))
	}
	now := time.Now()
	var errReal error
	var values []any
	if len(writes) == 1 {
		w := writes[0]
		values = w.Values
		errReal = c.real.Exec(context.Background(), level, w.Statement, w.Timestamp, w.Values...)
	} else {
		var batch cql.Batch
		for _, w := range writes {
			batch.Add(w.Statement, w.Timestamp, w.Values...)
			values = append(values, w.Statement.String(), w.Timestamp)
			values = append(values, w.Values...)
		}
		errReal = c.real.ExecBatch(context.Background(), level, &batch)
	}
	m, err := c.sim.Mutation(writes, now)
	if err == nil {
		_, err = c.sim.Write(level, c.sim.dcs[0], m, c.env())
	}
	what := fmt.Sprintf("%s @%d", writes[0].Statement, writes[0].Timestamp)
	c.same(what, level, values, errReal, err, "", "")
}

// read runs a read on both sides, page by page.
func (c *comparison) read(level cql.Level, st *cql.Statement, values []any, between func()) {
	c.t.Helper()
	var stateReal, stateSim []byte
	for page := 1; ; page++ {
		c.number++
		var rowsReal, rowsSim []string
		nextReal, errReal := c.real.Page(context.Background(), level, st, stateReal, func(row cql.Row) error {
			line, err := c.line(st, row)
			rowsReal = append(rowsReal, line)
			return err
		}, values...)
		var nextSim []byte
		r, errSim := c.sim.NewRead(st, stateSim, values)
		if errSim == nil {
			var found Page
			found, errSim = c.sim.Read(level, c.sim.dcs[0], r, c.env())
			nextSim = found.Next
			for _, row := range found.Rows {
				line, err := c.line(st, row)
				require.NoError(c.t, err)
				rowsSim = append(rowsSim, line)
			}
		}
		if errReal == nil {
			rowsReal = append(rowsReal, fmt.Sprintf("another page: %v", nextReal != nil))
		}
		if errSim == nil {
			rowsSim = append(rowsSim, fmt.Sprintf("another page: %v", nextSim != nil))
		}
		c.same(fmt.Sprintf("%s (pages of %d, page %d)", st, st.Rows, page), level, values, errReal, errSim, strings.Join(rowsReal, "\n"), strings.Join(rowsSim, "\n"))
		c.rows += max(0, len(rowsReal)-1)
		c.pages++
		if nextReal == nil || page == 50 {
			return
		}
		stateReal, stateSim = nextReal, nextSim
		between()
	}
}

// line scans a row, and shows its columns. It scans every second page into
// pointers for which null is a zero value or an error.
func (c *comparison) line(st *cql.Statement, row cql.Row) (string, error) {
	t := c.sim.schema.table(st.Table.Name)
	pointers := make([]any, len(st.Columns))
	if c.number%2 == 0 {
		return plainLine(t, st, row), nil
	}
	for i, name := range st.Columns {
		to, _ := t.target(name)
		switch to.kind {
		case kindUUID, kindTimeUUID:
			pointers[i] = new(*[16]byte)
		case kindBigint:
			pointers[i] = new(*int64)
		case kindInt:
			pointers[i] = new(*int)
		case kindText:
			pointers[i] = new(*string)
		case kindBlob:
			pointers[i] = new(*[]byte)
		case kindBoolean:
			pointers[i] = new(*bool)
		}
	}
	if err := row.Scan(pointers...); err != nil {
		return "", err
	}
	var parts []string
	for i, name := range st.Columns {
		parts = append(parts, name+"="+shown(pointers[i]))
	}
	return strings.Join(parts, " "), nil
}

func plainLine(t *table, st *cql.Statement, row cql.Row) string {
	pointers := make([]any, len(st.Columns))
	for i, name := range st.Columns {
		to, _ := t.target(name)
		pointers[i] = map[kind]any{kindUUID: new([16]byte), kindTimeUUID: new([16]byte), kindBigint: new(int64), kindInt: new(int),
			kindText: new(string), kindBlob: new([]byte), kindBoolean: new(bool)}[to.kind]
	}
	if err := row.Scan(pointers...); err != nil {
		return "cannot be scanned"
	}
	line := "plain:"
	for i, name := range st.Columns {
		line += fmt.Sprintf(" %s=%#v", name, reflect.ValueOf(pointers[i]).Elem())
	}
	return line
}

func shown(pointer any) string {
	switch p := pointer.(type) {
	case **[16]byte:
		return shownValue(p, func(v [16]byte) string { return kindUUID.format(string(v[:])) })
	case **int64:
		return shownValue(p, func(v int64) string { return fmt.Sprint(v) })
	case **int:
		return shownValue(p, func(v int) string { return fmt.Sprint(v) })
	case **string:
		return shownValue(p, func(v string) string { return fmt.Sprintf("%q", v) })
	case **[]byte:
		return shownValue(p, func(v []byte) string { return fmt.Sprintf("%q", v) })
	case **bool:
		return shownValue(p, func(v bool) string { return fmt.Sprint(v) })
	}
	return "?"
}

func shownValue[T any](p **T, show func(T) string) string {
	if *p == nil {
		return "null"
	}
	return show(**p)
}

// report logs what was compared.
func (c *comparison) report() {
	var classes []string
	for class, n := range c.classes {
		classes = append(classes, fmt.Sprintf("%d %s", n, class))
	}
	slices.Sort(classes)
	c.t.Logf("%d statements, of which %d pages with %d rows: %s", c.number, c.pages, c.rows, strings.Join(classes, ", "))
}

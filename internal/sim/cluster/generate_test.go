package cluster

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/murmur3"
)

// generator draws statements and values.
type generator struct {
	*rand.Rand
	schema *schema
	tables []cql.Table
	known  []*cql.Statement // those of the library
	made   []*cql.Statement // made of the same tables
	era    int              // partitions come from a pool that moves on
	tokens []int64          // of partitions that were used lately
}

func newGenerator(seed uint64, s *schema, known []*cql.Statement) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), schema: s, known: known}
	for _, t := range s.tables {
		g.tables = append(g.tables, cql.Table{Name: t.name, Partition: names(t.partition), Clustering: names(t.clustering),
			Static: names(t.static), Columns: names(t.regular)})
	}
	for range 400 {
		g.made = append(g.made, g.write(), g.read())
	}
	for _, st := range known {
		if st.Kind == cql.Select {
			for rows := 1; rows <= 3; rows++ {
				selection := st.Table.Select(rows, st.Columns...)
				if st.Distinct {
					selection = st.Table.SelectPartitions(rows, st.Columns...)
				}
				g.known = append(g.known, selection.Where(st.Clauses...))
			}
		}
	}
	return g
}

func names(columns []column) (list []string) {
	for _, c := range columns {
		list = append(list, c.name)
	}
	return list
}

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

// some returns some of the names, in any order.
func (g *generator) some(names []string) []string {
	mixed := slices.Clone(names)
	g.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed[:g.IntN(len(mixed)+1)]
}

// write makes a statement that writes.
func (g *generator) write() *cql.Statement {
	t := pick(g, g.tables)
	for {
		switch g.IntN(8) {
		case 0, 1:
			return t.Insert(g.some(slices.Concat(t.Static, t.Columns))...)
		case 2:
			if static := g.some(t.Static); len(static) > 0 {
				return t.InsertStatic(static...)
			}
		case 3, 4: // an UPDATE of static columns alone must not name a row
			if columns := g.some(t.Columns); len(columns) > 0 {
				return t.Update(append(columns, g.some(t.Static)...)...)
			}
		case 5, 6:
			return t.Delete()
		case 7:
			return t.DeletePartition()
		}
	}
}

// read makes a statement that reads.
func (g *generator) read() *cql.Statement {
	t := pick(g, g.tables)
	rows := pick(g, []int{1, 2, 3, 5, 1000})
	columns := g.some(slices.Concat(t.Partition, t.Clustering, t.Static, t.Columns))
	if len(columns) == 0 {
		columns = t.Partition
	}
	var limit []cql.Clause
	if g.IntN(4) == 0 {
		limit = []cql.Clause{cql.Limit(1 + g.IntN(6))}
	}
	where := func(clauses ...cql.Clause) *cql.Statement {
		return t.Select(rows, columns...).Where(append(clauses, limit...)...)
	}
	switch g.IntN(8) {
	case 0:
		return t.SelectPartitions(rows, append(slices.Clone(t.Partition), g.some(t.Static)...)...).Where(append(g.ring(), limit...)...)
	case 1, 2:
		return where(g.ring()...)
	case 3:
		if len(t.Static) > 0 && g.IntN(2) == 0 {
			return t.SelectPartitions(rows, append(slices.Clone(t.Partition), g.some(t.Static)...)...).Where(append([]cql.Clause{cql.Equal(t.Partition...)}, limit...)...)
		}
		return where(cql.Equal(t.Partition...))
	}
	depth := g.IntN(len(t.Clustering) + 1)
	clauses := []cql.Clause{cql.Equal(append(slices.Clone(t.Partition), t.Clustering[:depth]...)...)}
	if depth == len(t.Clustering) {
		return where(clauses...)
	}
	next := t.Clustering[depth]
	switch g.IntN(5) {
	case 0:
		return where(append(clauses, cql.AtLeast(next))...)
	case 1:
		return where(append(clauses, cql.AtMost(next))...)
	case 2:
		return where(append(clauses, cql.AtLeast(next), cql.AtMost(next))...)
	case 3:
		return where(append(clauses, cql.In(next))...)
	default:
		return where(clauses...)
	}
}

func (g *generator) ring() []cql.Clause {
	return pick(g, [][]cql.Clause{{cql.TokenAfter()}, {cql.TokenUpTo()}, {cql.TokenAfter(), cql.TokenUpTo()}, {cql.TokenAfter(), cql.TokenUpTo()}})
}

// values draws the values of a statement.
func (g *generator) values(st *cql.Statement) []any {
	t := g.schema.table(st.Table.Name)
	key := g.keyOf(t)
	if st.Kind == cql.Select {
		return g.clauses(t, st, key)
	}
	var row, columns []any
	for _, c := range t.clustering {
		row = append(row, g.value(c))
	}
	for _, name := range st.Columns {
		to, _ := t.target(name)
		if g.IntN(20) == 0 {
			columns = append(columns, nil) // the library never does that
			continue
		}
		columns = append(columns, g.value(to.column))
	}
	switch {
	case st.Kind == cql.Update:
		return slices.Concat(columns, key, row)
	case st.Kind == cql.DeletePartition, strings.Count(st.String(), "?") == len(key)+len(columns)+1:
		return slices.Concat(key, columns)
	}
	return slices.Concat(key, row, columns)
}

func (g *generator) clauses(t *table, st *cql.Statement, key []any) (values []any) {
	for _, c := range st.Clauses {
		switch c.Op {
		case cql.OpEqual:
			for _, name := range c.Columns {
				to, _ := t.target(name)
				if to.place == inPartition {
					values = append(values, key[to.index])
				} else {
					values = append(values, g.value(to.column))
				}
			}
		case cql.OpAtLeast, cql.OpAtMost:
			to, _ := t.target(c.Columns[0])
			values = append(values, g.value(to.column))
		case cql.OpIn:
			to, _ := t.target(c.Columns[0])
			values = append(values, g.list(to.column))
		case cql.OpTokenAfter, cql.OpTokenUpTo:
			values = append(values, g.token())
		}
	}
	if st.Clauses[0].Op == cql.OpTokenAfter && len(values) == 2 && values[0].(int64) > values[1].(int64) && g.IntN(4) > 0 {
		values[0], values[1] = values[1], values[0]
	}
	return values
}

// token draws a token, mostly one near a partition.
func (g *generator) token() int64 {
	switch {
	case g.IntN(10) == 0 || len(g.tokens) == 0:
		return pick(g, []int64{math.MinInt64, math.MinInt64 + 1, -1, 0, math.MaxInt64, g.Int64(), -g.Int64()})
	default:
		return pick(g, g.tokens) + g.Int64N(3) - 1
	}
}

// keyOf draws a partition. It is one of a few, and after a while one of a few
// others.
func (g *generator) keyOf(t *table) (key []any) {
	n := g.era + g.IntN(3)
	for i, c := range t.partition {
		switch {
		case i > 0: // a bigint
			key = append(key, pick(g, []int64{-1, 688}))
		case c.kind == kindText:
			key = append(key, []string{"popcask", "a", "b"}[n%3]+strings.Repeat("x", n/3%3))
		case c.kind == kindTimeUUID:
			key = append(key, timeUUID(uint64(n), byte(n)))
		default:
			key = append(key, [16]byte{0: byte(n), 1: byte(n >> 8), 6: 0x50, 8: 0x80, 15: byte(n)})
		}
	}
	var octets []byte
	for i, c := range t.partition {
		octets, _, _ = appendPart(octets, t, c.kind, key[i])
	}
	if g.tokens = append(g.tokens, murmur3.Token(octets)); len(g.tokens) > 40 {
		g.tokens = g.tokens[20:]
	}
	return key
}

func timeUUID(ticks uint64, last byte) (id [16]byte) {
	ticks += 0x1ef_0000_0000_0000 - 3
	id[0], id[1], id[2], id[3] = byte(ticks>>24), byte(ticks>>16), byte(ticks>>8), byte(ticks)
	id[4], id[5] = byte(ticks>>40), byte(ticks>>32)
	id[6], id[7] = 0x10|byte(ticks>>56)&0x0f, byte(ticks>>48)
	id[8], id[15] = last, last
	return id
}

// value draws a value of a column, from a small pool.
func (g *generator) value(c column) any {
	switch c.kind {
	case kindTimeUUID: // a few are likely, of the others there are enough to meet many tombstones
		if g.IntN(3) > 0 {
			return timeUUID(uint64(g.IntN(2)), pick(g, []byte{0, 0x7f, 0x80, 0xff}))
		}
		return timeUUID(uint64(g.IntN(60)), 0)
	case kindUUID:
		return pick(g, [][16]byte{{}, {6: 0x40, 8: 0x80}, {0: 0xff, 6: 0x40}, {6: 0x10, 8: 0xff}, {0: 1, 6: 0x10}, {4: 1, 6: 0x10}, {6: 0x50, 15: 1}})
	case kindBigint:
		return pick(g, []int64{-1, 0, 1, 688, math.MaxInt64, math.MinInt64})
	case kindInt:
		return pick(g, []int{-1, 0, 1, 2, 3, 300, math.MaxInt32})
	case kindText:
		return pick(g, []string{"", "a", "b", "ab", "a\x00b", "ü", "a\x00"})
	case kindBlob:
		return pick(g, [][]byte{{}, {0}, {0, 0}, {0xff}, []byte("chunk"), []byte("chunks")})
	default:
		return g.IntN(2) == 0
	}
}

// list draws the slice of an IN.
func (g *generator) list(c column) any {
	n := pick(g, []int{0, 1, 2, 5, 40})
	switch c.kind {
	case kindTimeUUID, kindUUID:
		return listOf[[16]byte](g, c, n)
	case kindBigint:
		return listOf[int64](g, c, n)
	case kindInt:
		return listOf[int](g, c, n)
	case kindText:
		return listOf[string](g, c, n)
	case kindBlob:
		return listOf[[]byte](g, c, n)
	default:
		return listOf[bool](g, c, n)
	}
}

func listOf[T any](g *generator, c column, n int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = g.value(c).(T)
	}
	return list
}

func (g *generator) timestamp() int64 { return 1 + g.Int64N(8) }

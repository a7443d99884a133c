package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

var benchEnv = Env{Now: func() time.Time { return epoch }}

func BenchmarkWrite(b *testing.B) {
	c := trio(b)
	n := 0
	for b.Loop() {
		n++
		writes := [1]cql.Write{{Statement: insertT, Timestamp: 1, Values: []any{n % 100, n / 100 % 100, "value"}}}
		m, err := c.Mutation(writes[:], epoch)
		require.NoError(b, err)
		if _, err := c.Write(cql.LocalQuorum, "dc1", m, benchEnv); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	c := trio(b)
	for k := range 100 {
		for row := range 10 {
			_, err := c.Write(cql.All, "dc1", mutation(b, c, insertT, 1, k, row, "value"), benchEnv)
			require.NoError(b, err)
		}
	}
	for name, read := range map[string]struct {
		st     *cql.Statement
		values []any
	}{"a row": {selectRowT, []any{1, 5}}, "ten rows": {selectT, []any{1}}, "the ring, two rows": {selectRingT, []any{int64(-1 << 63)}}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, err := c.NewRead(read.st, nil, read.values)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(cql.LocalQuorum, "dc1", r, benchEnv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkClone(b *testing.B) {
	c := New(DC{"dc1", 3, 3}, DC{"dc2", 3, 3})
	for _, statement := range schemaOfLibrary(b) {
		require.NoError(b, c.Define(statement))
	}
	for b.Loop() {
		c.Clone()
	}
}

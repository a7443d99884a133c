package cluster

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra/cql"
)

// drawMutation draws a mutation of a table with few keys, timestamps and
// values.
func drawMutation(t *rapid.T, c *Cluster) *Mutation {
	var writes []cql.Write
	for range rapid.IntRange(1, 4).Draw(t, "writes") {
		timestamp := rapid.Int64Range(1, 4).Draw(t, "timestamp")
		row := rapid.IntRange(1, 3).Draw(t, "row")
		value := rapid.SampledFrom([]any{"a", "b", nil}).Draw(t, "value")
		w := rapid.SampledFrom([]cql.Write{
			{Statement: insertT, Values: []any{1, row, value}},
			{Statement: insertBothT, Values: []any{1, row, value, "w"}},
			{Statement: insertStaticT, Values: []any{1, value}},
			{Statement: updateT, Values: []any{value, 1, row}},
			{Statement: deleteT, Values: []any{1, row}},
			{Statement: deleteAllT, Values: []any{1}},
		}).Draw(t, "statement")
		w.Timestamp = timestamp
		writes = append(writes, w)
	}
	now := at(rapid.IntRange(0, 2).Draw(t, "second")).Now()
	m, err := c.Mutation(writes, now)
	require.NoError(t, err)
	return m
}

// Mutations may be applied in any order, again, and together or one by one: the
// result is the same.
func TestMutationsCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(DC{"dc1", 3, 3})
		require.NoError(t, c.Define(createT))
		var all []*Mutation
		for range rapid.IntRange(1, 6).Draw(t, "mutations") {
			all = append(all, drawMutation(t, c))
		}
		first, second, third := c.nodes[0], c.nodes[1], c.nodes[2]
		for _, m := range all {
			first.Apply(m, epoch)
		}
		for _, m := range rapid.Permutation(append(all, all...)).Draw(t, "order") {
			second.Apply(m, epoch)
		}
		require.Equal(t, first.Dump("t"), second.Dump("t"))

		// One half reaches the third node as the content of another node.
		half := rapid.IntRange(0, len(all)).Draw(t, "half")
		for _, m := range all[:half] {
			third.Apply(m, epoch)
		}
		other := c.Clone().nodes[0]
		other.Wipe()
		for _, m := range all[half:] {
			other.Apply(m.in(other.cluster), epoch)
		}
		third.Load(other.Snapshot(), epoch)
		require.Equal(t, first.Dump("t"), third.Dump("t"))
	})
}

// At equal timestamps a tombstone wins, else the larger value; the deletion of
// a row or a partition wins over what has its timestamp.
func TestEqualTimestamps(t *testing.T) {
	for name, test := range map[string]struct {
		a, b cql.Write
		want []string
	}{
		"the larger value": {
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, "a"}},
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, "ab"}}, []string{`1 "ab"`}},
		"the tombstone of a cell": {
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, "z"}},
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, nil}}, []string{"1 null"}},
		"a row": {
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, "z"}},
			cql.Write{Statement: deleteT, Timestamp: 5, Values: []any{1, 1}}, nil},
		"a partition": {
			cql.Write{Statement: insertT, Timestamp: 5, Values: []any{1, 1, "z"}},
			cql.Write{Statement: deleteAllT, Timestamp: 5, Values: []any{1}}, nil},
		"an older deletion": {
			cql.Write{Statement: insertT, Timestamp: 6, Values: []any{1, 1, "z"}},
			cql.Write{Statement: deleteAllT, Timestamp: 5, Values: []any{1}}, []string{`1 "z"`}},
		"an update, whose row has no liveness": {
			cql.Write{Statement: updateT, Timestamp: 5, Values: []any{"z", 1, 1}},
			cql.Write{Statement: updateT, Timestamp: 6, Values: []any{nil, 1, 1}}, nil},
	} {
		for _, writes := range [][]cql.Write{{test.a, test.b}, {test.b, test.a}} {
			c := trio(t)
			m, err := c.Mutation(writes, epoch)
			require.NoError(t, err)
			_, err = c.Write(cql.All, "dc1", m, at(0))
			require.NoError(t, err)
			require.Equal(t, test.want, read(t, c, at(0), cql.All, selectT, 1), name)
		}
	}
}

// A read counts the tombstone of a column that it does not name unless the row
// is newer: Cassandra leaves those out.
func TestTombstonesThatARowIsNewerThan(t *testing.T) {
	met := func(inserted int64, st *cql.Statement) int {
		c := New(DC{Name: "dc1", Nodes: 1, Replicas: 1})
		require.NoError(t, c.Define(createT))
		c.nodes[0].Apply(mutation(t, c, tableT.Update("w"), 5, nil, 1, 1), epoch)
		c.nodes[0].Apply(mutation(t, c, insertT, inserted, 1, 1, "v"), epoch)
		require.Len(t, read(t, c, at(0), cql.All, st, 1), 1)
		return c.Met().Tombstones
	}
	require.Equal(t, 1, met(4, selectT))
	require.Equal(t, 1, met(5, selectT))
	require.Equal(t, 0, met(6, selectT))
	require.Equal(t, 1, met(6, selectBothT))
}

// A read repairs the columns that it names and the liveness of the rows, and no
// other column, and rows of the page and no other row.
func TestReadRepair(t *testing.T) {
	c := trio(t)
	behind := c.nodes[2]
	for row := range 4 {
		m := mutation(t, c, insertBothT, 5, 1, row, "v", "w")
		c.nodes[0].Apply(m, epoch)
		c.nodes[1].Apply(m, epoch)
	}
	c.nodes[0].Apply(mutation(t, c, deleteT, 9, 1, 0), epoch)
	sent := make(map[string]int)
	env := at(0)
	env.Send = func(n *Node) Fate { sent[n.Name]++; return Arrives }
	st := tableT.Select(2, "v").Where(cql.Equal("k"), cql.Limit(2))
	require.Equal(t, []string{`"v"`, `"v"`}, read(t, c, env, cql.All, st, 1))
	require.Equal(t, []string{`t k=1 c=0: deleted @9`, `t k=1 c=1: live @5 v="v" @5`, `t k=1 c=2: live @5 v="v" @5`}, behind.Dump("t"))
	require.Equal(t, map[string]int{"dc1-1": 1, "dc1-2": 2, "dc1-3": 2}, sent)

	require.Len(t, read(t, c, env, cql.All, selectBothT, 1), 3)
	require.Equal(t, c.nodes[0].Dump("t"), behind.Dump("t"))
	require.Equal(t, c.nodes[0].Dump("t"), c.nodes[1].Dump("t"))
}

// If a repair does not arrive, the read fails, and the other repairs stay.
func TestReadRepairThatIsLost(t *testing.T) {
	c := trio(t)
	c.nodes[0].Apply(mutation(t, c, insertT, 5, 1, 1, "v"), epoch)
	messages := 0
	env := at(0)
	env.Send = func(*Node) Fate {
		if messages++; messages == 4 { // three reads, then the repair of dc1-2
			return Lost
		}
		return Arrives
	}
	_, err := tryRead(c, env, cql.All, selectT, 1)
	require.ErrorIs(t, err, ErrTimeout)
	require.Empty(t, c.nodes[1].Dump("t"))
	require.Len(t, c.nodes[2].Dump("t"), 1)
}

// A replica answers with what it had when the message arrived, even if it is
// written to before the last replica answers.
func TestWritesDuringARead(t *testing.T) {
	c := trio(t)
	for row := range 3 {
		_, err := c.Write(cql.All, "dc1", mutation(t, c, insertT, 5, 1, row, "old"), at(0))
		require.NoError(t, err)
	}
	arrived := 0
	env := at(0)
	env.Send = func(*Node) Fate {
		if arrived++; arrived == 2 { // the first has answered
			for _, n := range c.nodes {
				n.Apply(mutation(t, c, insertT, 6, 1, 1, "new"), epoch)
			}
			c.nodes[0].Apply(mutation(t, c, deleteT, 6, 1, 0), epoch)
			c.nodes[0].Apply(mutation(t, c, deleteAllT, 1, 1), epoch)
		}
		return Arrives
	}
	require.Equal(t, []string{`0 "old"`, `1 "new"`, `2 "old"`}, read(t, c, env, cql.LocalQuorum, selectT, 1))
	require.Equal(t, []string{`1 "new"`, `2 "old"`}, read(t, c, at(0), cql.LocalQuorum, selectT, 1))

	env.Send = func(*Node) Fate {
		c.nodes[0].Apply(mutation(t, c, deleteAllT, 9, 1), epoch)
		return Arrives
	}
	require.Empty(t, read(t, c, env, LocalOne, selectT, 1))
}

// A replica that has rows which were deleted on another one answers with too
// few rows that count: the page is right all the same.
func TestShortReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(DC{"dc1", 3, 3})
		require.NoError(t, c.Define(createT))
		for range rapid.IntRange(1, 20).Draw(t, "mutations") {
			m := drawMutation(t, c)
			for _, n := range c.nodes {
				if rapid.Bool().Draw(t, "arrives") {
					n.Apply(m, epoch)
				}
			}
		}
		want := read(&testing.T{}, c.Clone(), at(0), cql.All, selectT, 1)
		for rows := 1; rows <= 3; rows++ {
			st := tableT.Select(rows, "c", "v").Where(cql.Equal("k"))
			require.Equal(t, want, read(&testing.T{}, c.Clone(), at(0), cql.All, st, 1), "pages of %d", rows)
		}
		read(&testing.T{}, c, at(0), cql.All, tableT.Select(1, "v", "w", "s").Where(cql.Equal("k")), 1)
		for _, n := range c.nodes {
			require.Equal(t, c.Dump("t"), n.Dump("t"), "a read at ALL of all columns repairs all")
		}
	})
}

// Pages go on where the one before ended, whatever was written in between.
func TestPages(t *testing.T) {
	c := trio(t)
	env := at(0)
	for k := range 3 {
		for row := range 3 {
			_, err := c.Write(cql.All, "dc1", mutation(t, c, insertT, 5, k, row, fmt.Sprint(k, row)), env)
			require.NoError(t, err)
		}
	}
	_, err := c.Write(cql.All, "dc1", mutation(t, c, insertStaticT, 5, 7, "static"), env)
	require.NoError(t, err)
	var lines []string
	var sizes []int
	var state []byte
	for {
		r, err := c.NewRead(selectRingT, state, []any{int64(-1 << 63)})
		require.NoError(t, err)
		page, err := c.Read(cql.LocalQuorum, "dc1", r, env)
		require.NoError(t, err)
		sizes = append(sizes, len(page.Rows))
		for _, row := range page.Rows {
			var k int
			var clustering *int
			require.NoError(t, row.Scan(&k, &clustering, nil, nil))
			lines = append(lines, fmt.Sprint(k, clustering != nil))
			if clustering != nil { // the rows of the pages before are not read again
				_, err := c.Write(cql.All, "dc1", mutation(t, c, deleteT, 9, k, *clustering), env)
				require.NoError(t, err)
			}
		}
		if state = page.Next; state == nil {
			break
		}
	}
	require.ElementsMatch(t, []string{"0 true", "0 true", "0 true", "1 true", "1 true", "1 true", "2 true", "2 true", "2 true", "7 false"}, lines)
	require.Equal(t, []int{2, 2, 2, 2, 2, 0}, sizes, "a last page that is full has another one after it")
	_, err = c.NewRead(selectRingT, []byte{0xff}, []any{int64(0)})
	require.Error(t, err)
}

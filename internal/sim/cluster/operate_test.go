package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra/cql"
)

// A node that was killed has what it had without the mutations since some
// moment.
func TestForget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(DC{"dc1", 2, 2})
		require.NoError(t, c.Define(createT))
		killed, other := c.nodes[0], c.nodes[1]
		now := epoch
		since := epoch.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "since")) * time.Millisecond)
		for range rapid.IntRange(0, 700).Draw(t, "mutations") {
			now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "pause")) * time.Millisecond)
			if now.After(since.Add(time.Second)) {
				break
			}
			m := mutation(&testing.T{}, c, insertT, 1, 1, rapid.IntRange(0, 500).Draw(t, "row"), "v")
			killed.Apply(m, now)
			if now.Before(since) {
				other.Apply(m, now)
			}
		}
		killed.Forget(since)
		require.Equal(t, other.Dump("t"), killed.Dump("t"))
	})
}

// A vacuum forgets the keys of what is gone, and changes nothing else.
func TestVacuum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(DC{"dc1", 3, 2})
		require.NoError(t, c.Define(createT))
		for range rapid.IntRange(0, 40).Draw(t, "writes") {
			st, values := insertT, []any{rapid.IntRange(0, 20).Draw(t, "partition"), 1, "v"}
			if rapid.Bool().Draw(t, "removed") {
				st, values = deleteT, values[:2]
			}
			m := mutation(&testing.T{}, c, st, 1, values...)
			c.nodes[rapid.IntRange(0, 2).Draw(t, "node")].Apply(m, epoch)
		}
		for _, n := range c.nodes {
			n.Compact(epoch.Add(11 * 24 * time.Hour))
		}
		plain := c.Clone()
		c.Vacuum()
		holds := 0
		for _, key := range plain.keys[0].all {
			if plain.has(plain.schema.tables[0], key) {
				holds++
			}
		}
		require.Len(t, c.keys[0].all, holds)
		for i, n := range c.nodes {
			require.Equal(t, plain.nodes[i].Dump("t"), n.Dump("t"))
		}
		for k := range 21 { // as before, and new keys too
			for i := range c.nodes {
				for _, of := range []*Cluster{c, plain} {
					of.nodes[i].Apply(mutation(&testing.T{}, of, insertT, 2, k, 2, "new"), epoch.Add(12*24*time.Hour))
				}
			}
		}
		for i, n := range c.nodes {
			require.Equal(t, plain.nodes[i].Dump("t"), n.Dump("t"))
			n.Forget(epoch.Add(11 * 24 * time.Hour))
			plain.nodes[i].Forget(epoch.Add(11 * 24 * time.Hour))
			require.Equal(t, plain.nodes[i].Dump("t"), n.Dump("t"))
		}
	})
}

// What came as a file, and what was flushed, is not forgotten.
func TestForgetLeavesFiles(t *testing.T) {
	c := trio(t)
	n := c.nodes[0]
	c.nodes[1].Apply(mutation(t, c, insertT, 1, 1, 1, "streamed"), epoch)
	c.Stream(n, first, epoch)
	n.Apply(mutation(t, c, insertT, 1, 1, 2, "flushed"), epoch)
	n.Snapshot()
	n.Apply(mutation(t, c, insertT, 1, 1, 3, "lost"), epoch)
	n.Forget(epoch)
	require.Equal(t, []string{`t k=1 c=1: live @1 v="streamed" @1`, `t k=1 c=2: live @1 v="flushed" @1`}, n.Dump("t"))
}

func first(_ int64, candidates []*Node) *Node { return candidates[0] }

// A node that is replaced gets all that one source has, and no more.
func TestStream(t *testing.T) {
	c := trio(t)
	c.nodes[1].Apply(mutation(t, c, insertT, 1, 1, 1, "on 2"), epoch)
	c.nodes[2].Apply(mutation(t, c, insertT, 1, 1, 2, "on 3"), epoch)
	c.nodes[2].Apply(mutation(t, c, deleteT, 2, 1, 3), epoch)
	n := c.nodes[0]
	n.Wipe()
	c.Stream(n, func(_ int64, candidates []*Node) *Node {
		require.Equal(t, []*Node{c.nodes[1], c.nodes[2]}, candidates)
		return candidates[1]
	}, epoch)
	require.Equal(t, c.nodes[2].Dump("t"), n.Dump("t"))
	c.Stream(n, func(int64, []*Node) *Node { return nil }, epoch)
	require.Equal(t, c.nodes[2].Dump("t"), n.Dump("t"))
}

// With more nodes than replicas a partition is on its own replicas only. A node
// that joins takes over partitions, and gets them from the replicas that there
// were before.
func TestNodesJoinAndLeave(t *testing.T) {
	c := New(DC{"dc1", 4, 2})
	require.NoError(t, c.Define(createT))
	const partitions = 100
	for k := range partitions {
		missed, err := c.Write(cql.LocalQuorum, "dc1", mutation(t, c, insertT, 1, k, 1, "v"), at(0))
		require.NoError(t, err)
		require.Empty(t, missed)
	}
	count := func() (n int) {
		for _, n2 := range c.nodes {
			n += len(n2.Dump("t"))
		}
		return n
	}
	require.Equal(t, 2*partitions, count())
	joined := c.Add("dc1")
	require.Equal(t, "dc1-5", joined.Name)
	require.Empty(t, joined.Dump("t"))
	c.Stream(joined, first, epoch)
	require.NotEmpty(t, joined.Dump("t"))
	all := tableT.Select(7, "k").Where(cql.TokenAfter())
	require.Len(t, read(t, c, at(0), cql.All, all, int64(-1<<63)), partitions)
	require.Equal(t, 2*partitions+len(joined.Dump("t")), count(), "each was where it belongs: nothing is repaired")

	gone := c.nodes[0]
	c.Remove(gone)
	for _, n := range c.Nodes() {
		c.Stream(n, func(_ int64, candidates []*Node) *Node {
			if len(candidates) == 0 {
				return nil
			}
			return candidates[0]
		}, epoch)
	}
	require.Len(t, read(t, c, at(0), cql.All, all, int64(-1<<63)), partitions)
}

// After a change of the replication the new replicas have nothing, until they
// are rebuilt or repaired.
func TestReplicationRaised(t *testing.T) {
	c := New(DC{"dc1", 2, 2}, DC{"dc2", 2, 0})
	require.NoError(t, c.Define(createT))
	_, err := c.Write(cql.All, "dc1", mutation(t, c, insertT, 1, 1, 1, "v"), at(0))
	require.NoError(t, err)
	c.SetReplication(map[string]int{"dc1": 2, "dc2": 2})
	require.Empty(t, c.Node("dc2-1").Dump("t"))
	c.Stream(c.Node("dc2-1"), first, epoch)
	require.Len(t, c.Node("dc2-1").Dump("t"), 1)
	require.Empty(t, c.Node("dc2-2").Dump("t"))
	require.NoError(t, c.Repair(epoch))
	require.Len(t, c.Node("dc2-2").Dump("t"), 1)
}

// A repair gives all replicas the same.
func TestRepair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := New(DC{"dc1", 3, 3})
		require.NoError(t, c.Define(createT))
		for range rapid.IntRange(0, 12).Draw(t, "mutations") {
			rapid.SampledFrom(c.nodes).Draw(t, "node").Apply(drawMutation(t, c), epoch)
		}
		union := c.Dump("t")
		require.NoError(t, c.Repair(epoch))
		for _, n := range c.nodes {
			require.Equal(t, union, n.Dump("t"))
			n.Forget(epoch)
			require.Equal(t, union, n.Dump("t"), "the log is not what it is in")
		}
	})
}

// Tombstones are forgotten after gc_grace_seconds, 100 here: reads do not see
// them any more, and a compaction removes them. What they deleted comes back
// from a replica that missed them.
func TestCompact(t *testing.T) {
	c := trio(t)
	insert := mutation(t, c, insertT, 1, 1, 1, "v")
	remove := mutation(t, c, deleteT, 2, 1, 1)
	for _, n := range c.nodes {
		n.Apply(insert, epoch)
	}
	c.nodes[0].Apply(remove, epoch)
	c.nodes[1].Apply(remove, epoch)
	c.SetThresholds(0, 0)
	_, err := tryRead(c, at(100), cql.LocalQuorum, selectT, 1)
	require.ErrorIs(t, err, cql.ErrTooManyTombstones)
	require.Equal(t, 1, c.Warnings())
	require.Empty(t, read(t, c, at(101), cql.LocalQuorum, selectT, 1))
	c.nodes[0].Compact(at(100).Now())
	require.Len(t, c.nodes[0].Dump("t"), 1)
	c.nodes[0].Compact(at(101).Now())
	require.Empty(t, c.nodes[0].Dump("t"))
	require.Equal(t, []string{`1 "v"`}, read(t, c, at(101), cql.All, selectT, 1))
	require.Len(t, c.nodes[0].Dump("t"), 1, "it came back")
	require.NoError(t, c.Define("ALTER TABLE t WITH gc_grace_seconds = 1000"))
	c.nodes[1].Compact(at(101).Now())
	require.Len(t, c.nodes[1].Dump("t"), 1)
}

// A snapshot is what a node had, whatever comes after it.
func TestSnapshot(t *testing.T) {
	c := trio(t)
	n := c.nodes[0]
	n.Apply(mutation(t, c, insertT, 1, 1, 1, "v"), epoch)
	s := n.Snapshot()
	before := n.Dump("t")
	n.Apply(mutation(t, c, deleteAllT, 2, 1), epoch)
	n.Apply(mutation(t, c, insertT, 3, 1, 2, "v"), epoch)
	after := n.Dump("t")
	n.Restore(s)
	require.Equal(t, before, n.Dump("t"))
	n.Apply(mutation(t, c, deleteAllT, 2, 1), epoch)
	n.Apply(mutation(t, c, insertT, 3, 1, 2, "v"), epoch)
	n.Load(s, epoch)
	require.Equal(t, after, n.Dump("t"))
	n.Restore(s)
	require.Equal(t, before, n.Dump("t"))
}

// A clone and its original do not see each other's changes.
func TestClone(t *testing.T) {
	c := trio(t)
	_, err := c.Write(cql.All, "dc1", mutation(t, c, insertT, 1, 1, 1, "v"), at(0))
	require.NoError(t, err)
	copied := c.Clone()
	before := c.Dump("t")
	_, err = copied.Write(cql.All, "dc1", mutation(t, copied, insertT, 2, 1, 1, "w"), at(0))
	require.NoError(t, err)
	_, err = copied.Write(cql.All, "dc1", mutation(t, copied, insertT, 2, 2, 1, "w"), at(0))
	require.NoError(t, err)
	require.NoError(t, copied.Define("CREATE TABLE u (k int PRIMARY KEY, v text)"))
	copied.SetReplication(map[string]int{"dc1": 1})
	require.Equal(t, before, c.Dump("t"))
	require.Len(t, copied.Dump("t"), 2)
	require.NotContains(t, c.Columns(), "u")
	require.Equal(t, map[string]int{"dc1": 3}, c.Replication())
	copied.nodes[0].Forget(epoch)
	require.Equal(t, before, c.nodes[0].Dump("t"))
}

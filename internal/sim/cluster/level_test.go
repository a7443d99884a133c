package cluster

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// Which levels work with which nodes down, in two data centres of three nodes,
// seen from the first, and how many nodes a read asks.
func TestLevels(t *testing.T) {
	every := []cql.Level{cql.LocalQuorum, cql.EachQuorum, cql.All, Quorum, One, LocalOne}
	for _, test := range []struct {
		down  []string
		works []cql.Level
	}{
		{nil, every},
		{[]string{"a-1"}, []cql.Level{cql.LocalQuorum, cql.EachQuorum, Quorum, One, LocalOne}},
		{[]string{"a-1", "b-3"}, []cql.Level{cql.LocalQuorum, cql.EachQuorum, Quorum, One, LocalOne}},
		{[]string{"b-1", "b-2"}, []cql.Level{cql.LocalQuorum, Quorum, One, LocalOne}},
		{[]string{"b-1", "b-2", "b-3"}, []cql.Level{cql.LocalQuorum, One, LocalOne}},
		{[]string{"a-1", "a-2"}, []cql.Level{Quorum, One, LocalOne}},
		{[]string{"a-1", "a-2", "a-3"}, []cql.Level{One}},
		{[]string{"a-1", "a-2", "a-3", "b-1", "b-2", "b-3"}, nil},
	} {
		for _, level := range every {
			name := fmt.Sprintf("%s with %v down", level, test.down)
			c := New(DC{"a", 3, 3}, DC{"b", 3, 3}, DC{"c", 2, 0})
			require.NoError(t, c.Define(createT))
			m := mutation(t, c, insertT, 1, 1, 1, "x")
			env := at(0)
			down := func(n *Node) bool { return slices.Contains(test.down, n.Name) }
			works := slices.Contains(test.works, level)

			env.Down = down // the coordinator knows
			sent := 0
			env.Send = func(*Node) Fate { sent++; return Arrives }
			missed, err := c.Write(level, "a", m, env)
			if works {
				require.NoError(t, err, name)
				require.Len(t, missed, len(test.down), name)
				require.Equal(t, 6-len(test.down), sent, name)
			} else {
				require.ErrorIs(t, err, ErrUnavailable, name)
				require.Zero(t, sent, name)
			}
			sent = 0
			_, err = tryRead(c, env, level, selectT, 1)
			if works {
				require.NoError(t, err, name)
				require.Equal(t, map[cql.Level]int{cql.LocalQuorum: 2, cql.EachQuorum: 4, cql.All: 6, Quorum: 4, One: 1, LocalOne: 1}[level], sent, name)
			} else {
				require.ErrorIs(t, err, ErrUnavailable, name)
			}

			env.Down = nil // it does not know
			env.Send = func(n *Node) Fate {
				if down(n) {
					return Lost
				}
				return Arrives
			}
			missed, err = c.Write(level, "a", m, env)
			require.Len(t, missed, len(test.down), name)
			require.Equal(t, works, err == nil, name)
			if !works {
				require.ErrorIs(t, err, ErrTimeout, name)
			}
		}
	}
}

// A read asks the replicas that come first in the order that is preferred.
func TestPreferredReplicas(t *testing.T) {
	c := New(DC{"a", 3, 3}, DC{"b", 3, 3})
	require.NoError(t, c.Define(createT))
	var asked []string
	env := at(0)
	env.Send = func(n *Node) Fate { asked = append(asked, n.Name); return Arrives }
	env.Prefer = func(nodes []*Node) []*Node {
		slices.Reverse(nodes)
		return nodes
	}
	for level, want := range map[cql.Level][]string{
		cql.LocalQuorum: {"a-3", "a-2"}, cql.EachQuorum: {"b-3", "b-2", "a-3", "a-2"}, Quorum: {"b-3", "b-2", "b-1", "a-3"}, LocalOne: {"a-3"},
	} {
		asked = nil
		read(t, c, env, level, selectT, 1)
		require.Equal(t, want, asked, level)
	}
	_, err := tryRead(c, env, "SERIAL", selectT, 1)
	require.ErrorContains(t, err, "SERIAL")
}

// A range that goes to the end of the ring is asked for, even if nothing can be
// in it; one that ends before it begins is not.
func TestRangesWithoutTokens(t *testing.T) {
	between := tableT.Select(2, "k").Where(cql.TokenAfter(), cql.TokenUpTo())
	for _, test := range []struct {
		st     *cql.Statement
		values []any
		asks   bool
	}{
		{selectRingT, []any{int64(math.MaxInt64)}, true},
		{between, []any{int64(math.MaxInt64), int64(math.MinInt64)}, true},
		{between, []any{int64(math.MaxInt64), int64(math.MaxInt64)}, false},
		{between, []any{int64(2), int64(1)}, false},
		{between, []any{int64(2), int64(2)}, false},
	} {
		c := New(DC{"a", 3, 3})
		require.NoError(t, c.Define(createT))
		env := at(0)
		env.Down = func(n *Node) bool { return n.Name == "a-1" }
		_, err := tryRead(c, env, cql.All, test.st, test.values...)
		require.Equal(t, test.asks, errors.Is(err, ErrUnavailable), "%s %v: %v", test.st, test.values, err)
	}
}

// A data centre without replicas does not count, and with fewer nodes than
// replicas a level that wants more is not available.
func TestReplicationThatDoesNotFit(t *testing.T) {
	c := New(DC{"a", 1, 3}, DC{"b", 1, 1})
	require.NoError(t, c.Define(createT))
	m := mutation(t, c, insertT, 1, 1, 1, "x")
	_, err := c.Write(cql.LocalQuorum, "a", m, at(0))
	require.ErrorIs(t, err, ErrUnavailable)
	c.SetReplication(map[string]int{"a": 1})
	require.Equal(t, map[string]int{"a": 1}, c.Replication())
	_, err = c.Write(cql.EachQuorum, "a", m, at(0))
	require.NoError(t, err)
	require.Len(t, c.Replicas(m), 1)
	_, err = c.Write(cql.LocalQuorum, "b", m, at(0))
	require.ErrorIs(t, err, ErrUnavailable)
}

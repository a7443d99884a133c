package cassandra_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P3: every write of a message's life commutes with every other one. These tests
// have the writes themselves, as the store and its index send them, and replay them
// in any order, any number of times: as retries, hints, replayed events, two data
// centres and a repair do.

// replay draws an order with duplicates and runs the writes in it.
func replay(t *rapid.T, writes []write, label string) {
	for range rapid.IntRange(0, len(writes)).Draw(t, label+": duplicates") {
		writes = append(writes, rapid.SampledFrom(writes).Draw(t, "again"))
	}
	for _, w := range rapid.Permutation(writes).Draw(t, label+": order") {
		require.NoError(t, w.run(context.Background()), w.name)
	}
}

// All writes of the lives of several messages in the same mailbox, some removed
// and some not: in any order the same state, that of their proper order.
func TestP3WritesCommute(t *testing.T) {
	t.Parallel()
	p := newP3(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		user := fmt.Sprintf("user%d", time.Now().UnixNano())
		n := rapid.IntRange(1, 4).Draw(t, "messages")
		var lives []life
		var writes []write
		removed := make([]bool, n)
		for i := range n {
			uidl := rapid.SampledFrom([]string{"", "", "foreign"}).Draw(t, "uidl")
			l := p.newLife(t, user, uidl, rapid.IntRange(1, 4).Draw(t, "chunks"))
			removed[i] = rapid.Bool().Draw(t, "removed")
			list := l.add
			if removed[i] {
				list = l.all()
			}
			for _, w := range list {
				writes = append(writes, write{fmt.Sprintf("%d %s", i, w.name), w.run})
			}
			lives = append(lives, l)
		}
		for _, w := range writes {
			require.NoError(t, w.run(context.Background()))
		}
		proper := make([]string, n)
		for i, l := range lives {
			proper[i] = p.state(t, l)
		}
		replay(t, writes, "again")
		for i, l := range lives {
			require.Equal(t, proper[i], p.state(t, l), "message %d", i)
			if removed[i] {
				p.gone(t, l)
			}
		}
	})
}

// The same with the writes of a message seen for the first time in a random
// order, beside another one with the same writes that came in their proper one.
func TestP3FirstSeenInAnyOrder(t *testing.T) {
	t.Parallel()
	p := newP3(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		chunks := rapid.IntRange(1, 4).Draw(t, "chunks")
		user := fmt.Sprintf("user%d", time.Now().UnixNano())
		l := p.newLife(t, user, "", chunks)
		removed := rapid.Bool().Draw(t, "removed")
		if removed {
			replay(t, l.all(), "first")
			p.gone(t, l)
			rows := strings.Split(p.state(t, l), "\n")
			require.Equal(t, []string{"[]", "[]", "[]"}, rows[:3], "nothing is left of it")
			return
		}
		replay(t, l.add, "first")
		shuffled := p.state(t, l)
		for _, w := range l.add {
			require.NoError(t, w.run(context.Background()))
		}
		require.Equal(t, p.state(t, l), shuffled)
		session, err := p.store.Open(context.Background(), mailbox.Login{User: user})
		require.NoError(t, err)
		listed, err := mailbox.List(context.Background(), session)
		require.NoError(t, err)
		require.Equal(t, []string{l.id.String()}, storetest.IDs(listed))
		body, err := storetest.Read(context.Background(), session, l.id.String())
		require.NoError(t, err)
		require.True(t, l.body == body, "its octets")
	})
}

// Once a removal has begun (the mark is acknowledged), no prefix of the writes,
// in any order and any number of times, makes the message a live member; once it is
// complete nothing makes it readable or listed. Checked after each write.
func TestP3NothingComesBackInBetween(t *testing.T) {
	t.Parallel()
	p := newP3(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		l := p.newLife(t, fmt.Sprintf("user%d", time.Now().UnixNano()), "", rapid.IntRange(1, 3).Draw(t, "chunks"))
		ctx := context.Background()
		before := rapid.SliceOfDistinct(rapid.IntRange(0, len(l.add)-1), rapid.ID).Draw(t, "seen before the removal")
		for _, i := range before {
			require.NoError(t, l.add[i].run(ctx))
		}
		for _, w := range l.remove {
			require.NoError(t, w.run(ctx))
		}
		late := rapid.SliceOfN(rapid.SampledFrom(l.all()), 1, 12).Draw(t, "late")
		for _, w := range late {
			require.NoError(t, w.run(ctx))
			p.gone(t, l)
		}
	})
}

// The same across flushes and compactions: tombstones and data end up in
// different files, are merged, and the data comes again afterwards.
func TestP3FlushAndCompactionBetween(t *testing.T) {
	slow.Test(t, "flushes and compactions between the writes")
	t.Parallel()
	p := newP3(t, nil)
	if p.cluster.Dir == "" {
		t.Skip("an existing cluster: no nodetool")
	}
	tool := func(args ...string) {
		for _, node := range p.cluster.Nodes {
			out, err := p.cluster.NodeTool(context.Background(), node.Name, append(args, p.tables.Keyspace)...)
			require.NoError(t, err, out)
		}
	}
	ctx := context.Background()
	run := func(writes []write) {
		for _, w := range writes {
			require.NoError(t, w.run(ctx), w.name)
		}
	}
	var removed, kept []life
	var states []string
	for i := range 12 {
		uidl := []string{"", "foreign"}[i%2]
		removed = append(removed, p.newLife(t, "bob", uidl, 1+i%3))
		kept = append(kept, p.newLife(t, "bob", uidl, 1+i%3))
	}
	// Half of the removals come before what they remove.
	for i := range removed {
		if i%2 == 0 {
			run(removed[i].add)
		} else {
			run(removed[i].remove)
		}
		run(kept[i].add)
	}
	tool("flush")
	for i := range removed {
		if i%2 == 0 {
			run(removed[i].remove)
		} else {
			run(removed[i].add)
		}
	}
	for _, l := range kept {
		states = append(states, p.state(t, l))
	}
	check := func(when string) {
		for i := range removed {
			p.gone(t, removed[i])
			require.True(t, strings.HasPrefix(p.state(t, removed[i]), "[]\n[]\n[]\n"), when)
			require.Equal(t, states[i], p.state(t, kept[i]), when)
		}
	}
	check("flushed between")
	tool("flush")
	tool("compact")
	check("compacted")
	for i := range removed {
		run(removed[i].add) // a hint, a week late
		run(kept[i].add)
	}
	check("replayed after the compaction")
	tool("flush")
	tool("compact")
	check("compacted again")
}

// A clock that stands still, or goes back all the time, changes nothing: the
// timestamps come from the IDs, which are distinct all the same.
func TestP3WhateverTheClockDoes(t *testing.T) {
	start := time.Now()
	for name, step := range map[string]time.Duration{"stands still": 0, "goes back": -time.Second, "goes back far": -24 * time.Hour / 10} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			p := newP3(t, func() time.Time { return start.Add(time.Duration(n.Load()) * step) })
			var lives []life
			for range 10 {
				n.Add(1) // between the messages
				l := p.newLife(t, "bob", "", 2)
				lives = append(lives, l)
				for _, w := range l.add {
					require.NoError(t, w.run(t.Context()))
				}
			}
			for i, l := range lives {
				if i%2 == 0 {
					for _, w := range slices.Concat(l.remove, l.add) {
						require.NoError(t, w.run(t.Context()))
					}
				}
			}
			var listed []cassandra.MessageID
			for _, text := range storetest.ListIDs(t, p.store, "bob") {
				id, err := cassandra.ParseMessageID(text)
				require.NoError(t, err)
				listed = append(listed, id)
			}
			require.Len(t, listed, 5)
			require.True(t, slices.IsSortedFunc(listed, cassandra.MessageID.Compare))
			for i, l := range lives {
				if i%2 == 0 {
					p.gone(t, l)
				} else {
					require.Contains(t, listed, l.id)
				}
			}
		})
	}
}

// What Cassandra itself notes as the write time of each cell of a delivery and of a
// mark is the ID's.
func TestP3WriteTimesAreTheIDs(t *testing.T) {
	t.Parallel()
	p := newP3(t, nil)
	for _, chunks := range []int{1, 3} {
		l := p.newLife(t, fmt.Sprintf("user%d", chunks), "foreign", chunks)
		for _, w := range l.add {
			require.NoError(t, w.run(t.Context()), w.name)
		}
		times := func(want int64, statement string, values ...any) {
			t.Helper()
			rows := p.tables.CQL.Query(p.tables.In(statement), values...).Iter()
			count := 0
			for row := map[string]any{}; rows.MapScan(row); row = map[string]any{} {
				count++
				for column, at := range row {
					require.Equal(t, want, at, column)
				}
			}
			require.NoError(t, rows.Close())
			require.Positive(t, count)
		}
		added := cassandra.AddedAt(l.id)
		times(added, "SELECT writetime(data), writetime(mailbox_id), writetime(size), writetime(chunks), writetime(head), writetime(sha256) FROM KS.message WHERE message_id = ?", [16]byte(l.id))
		times(added, "SELECT writetime(uid), writetime(mod_seq), writetime(size), writetime(uidl) FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ?", [16]byte(l.mailbox), l.bucket)
		times(added, "SELECT writetime(size), writetime(uidl) FROM KS.projection WHERE mailbox_id = ? AND bucket = ?", [16]byte(l.mailbox), l.bucket)
		mark := l.remove[0]
		require.Equal(t, "UPDATE mailbox_message", mark.name)
		require.NoError(t, mark.run(t.Context()))
		times(added+1, "SELECT writetime(removed) FROM KS.mailbox_message WHERE mailbox_id = ? AND bucket = ?", [16]byte(l.mailbox), l.bucket)
	}
}

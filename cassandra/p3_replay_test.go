package cassandra

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/paxostest"
)

// P3: every write of a message's life commutes with every other one. These tests
// have the writes themselves, with the values that the store binds to them, and
// replay them in any order, any number of times: as retries, hints, replayed
// events, two data centres and a repair do.

// write is one mutation of a message's life.
type write struct {
	name string
	run  func(ctx context.Context) error
}

// p3 is a keyspace to replay in.
type p3 struct {
	store    *Store
	raw      *gocql.Session // to see all tables as they are
	keyspace string
	cluster  *cassandratest.Cluster
}

func newP3(t testing.TB, now func() time.Time) p3 {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := Config{
		Hosts: cluster.Hosts(""), LocalDC: cluster.DCs[0].Name, Keyspace: cluster.KeyspaceName(t),
		Timeout: 10 * time.Second, Now: now,
		Observer: func(o Observation) {
			if o.Conditional || !slices.Contains([]string{"LOCAL_QUORUM", "EACH_QUORUM", "ALL"}, o.Consistency) {
				t.Errorf("P9: %s at %s", o.Statement, o.Consistency)
			}
		},
	}
	paxostest.Watch(t, cluster, config.Keyspace)
	require.NoError(t, Migrate(t.Context(), config, Replication{config.LocalDC: min(3, len(cluster.Hosts(config.LocalDC)))}))
	session, err := Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	store, err := NewStore(session, rawIndex{session})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.Background())) })
	return p3{store: store, raw: cluster.Session(t, ""), keyspace: config.Keyspace, cluster: cluster}
}

// life is every write about one message, in the order in which the store sends
// them: addition, then removal.
type life struct {
	attempt *attempt
	add     []write
	remove  []write
}

func (l life) all() []write { return slices.Concat(l.add, l.remove) }

// newLife mints a message and prepares its writes. chunks 1 is a small one.
func (p p3) newLife(t require.TestingT, user, uidl string, chunks int) life {
	s := p.store
	mailbox, _, err := s.Mailbox(user)
	require.NoError(t, err)
	a := &attempt{mailbox: mailbox, user: user, uidl: uidl, digest: newContentDigest()}
	a.id, err = s.minter.mint(s.config.Now())
	require.NoError(t, err)
	a.bucket = s.session.Bucket(a.id)
	data := make([][]byte, chunks)
	for i := range data {
		data[i] = fmt.Appendf(nil, "%s %d: %s\r\n\r\n", user, i, strings.Repeat("x", 50))
		a.digest.Write(data[i])
	}
	uid, modSeq := int64(s.config.UID()), s.config.ModSeq()
	l := life{attempt: a}
	at := func(list *[]write, name string, timestamp int64, st *cql.Statement, values ...any) {
		*list = append(*list, write{name, func(ctx context.Context) error {
			return s.db.Exec(ctx, cql.LocalQuorum, st, timestamp, values...)
		}})
	}
	id := [16]byte(a.id)
	d := a.digest
	if chunks == 1 {
		at(&l.add, "content", AddedAt(a.id), insertWhole, id, 0, data[0], [16]byte(mailbox), d.size, 1, d.head(), d.sum())
	} else {
		at(&l.add, "first chunk", AddedAt(a.id), insertFirst, id, 0, data[0], [16]byte(mailbox))
		for i, chunk := range data[1:] {
			at(&l.add, "chunk", AddedAt(a.id), insertChunk, id, i+1, chunk)
		}
		at(&l.add, "statics", AddedAt(a.id), insertStatic, id, d.size, chunks, d.head(), d.sum())
	}
	if uidl == "" {
		at(&l.add, "membership", AddedAt(a.id), insertMember, [16]byte(mailbox), a.bucket, id, uid, modSeq, d.size)
	} else {
		at(&l.add, "membership", AddedAt(a.id), insertMemberForeign, [16]byte(mailbox), a.bucket, id, uid, modSeq, d.size, uidl)
	}
	l.add = append(l.add,
		write{"bucket", func(ctx context.Context) error {
			return s.writeBucket(ctx, bucketKey{mailbox, a.bucket}, user)
		}},
		write{"projection", func(ctx context.Context) error { return s.index.Restore(ctx, mailbox, a.entry()) }},
	)
	one := []MessageID{a.id}
	l.remove = []write{
		{"mark", func(ctx context.Context) error { return s.mark(ctx, mailbox, a.bucket, one) }},
		{"unlist", func(ctx context.Context) error { return s.index.Removed(ctx, mailbox, one) }},
		{"delete content", func(ctx context.Context) error { return s.deleteContents(ctx, one) }},
		{"delete membership", func(ctx context.Context) error { return s.deleteMembers(ctx, mailbox, one) }},
	}
	return l
}

// state is what all tables say of a message, as text.
func (p p3) state(t require.TestingT, l life) string {
	var state strings.Builder
	a := l.attempt
	for _, q := range []struct {
		statement string
		values    []any
	}{
		{"SELECT * FROM %s.message WHERE message_id = ?", []any{gocql.UUID(a.id)}},
		{"SELECT * FROM %s.mailbox_message WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", []any{gocql.UUID(a.mailbox), a.bucket, gocql.UUID(a.id)}},
		{"SELECT * FROM %s.projection WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", []any{gocql.UUID(a.mailbox), a.bucket, gocql.UUID(a.id)}},
		{"SELECT kind, start, until, owner, user, writetime(user) FROM %s.ledger WHERE mailbox_id = ?", []any{gocql.UUID(a.mailbox)}},
	} {
		rows, err := p.raw.Query(fmt.Sprintf(q.statement, p.keyspace), q.values...).Iter().SliceMap()
		require.NoError(t, err)
		fmt.Fprintln(&state, rows)
	}
	return state.String()
}

// gone tells whether nothing of a message is to be seen.
func (p p3) gone(t require.TestingT, l life) {
	a := l.attempt
	bucket := p.store.session.bucketSlice(a.bucket)
	for entry, err := range p.store.index.List(context.Background(), a.mailbox, []Slice{bucket}) {
		require.NoError(t, err)
		require.NotEqual(t, a.id, entry.ID, "P3: it is listed again")
	}
	m := &mailboxSession{store: p.store, id: a.mailbox, user: a.user}
	_, err := m.Open(context.Background(), a.id.String(), mailboxOpenOptions)
	require.Error(t, err, "P3: it can be read again")
	found, err := p.store.member(context.Background(), cql.LocalQuorum, a.mailbox, a.id)
	require.NoError(t, err)
	require.NotEqual(t, memberLive, found, "P3: it is a member again")
}

// replay draws an order with duplicates and runs the writes in it.
func replay(t *rapid.T, writes []write, label string) {
	for range rapid.IntRange(0, len(writes)).Draw(t, label+": duplicates") {
		writes = append(writes, rapid.SampledFrom(writes).Draw(t, "again"))
	}
	for _, w := range rapid.Permutation(writes).Draw(t, label+": order") {
		require.NoError(t, w.run(context.Background()), w.name)
	}
}

// String shows a write in rapid's reports.
func (w write) String() string { return w.name }

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
		m := &mailboxSession{store: p.store, id: l.attempt.mailbox, user: user}
		content, err := p.store.countContent(context.Background(), l.attempt.id)
		require.NoError(t, err)
		require.True(t, content.complete())
		require.Equal(t, sha256.Size, len(l.attempt.digest.sum()))
		listed := 0
		for _, err := range m.Messages(context.Background()) {
			require.NoError(t, err)
			listed++
		}
		require.Equal(t, 1, listed)
	})
}

// Once a removal has begun (the mark is acknowledged), no prefix of the writes,
// in whatever order they come again, makes the message a live member; once it is
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
	t.Parallel()
	p := newP3(t, nil)
	if p.cluster.Dir == "" {
		t.Skip("an existing cluster: no nodetool")
	}
	tool := func(args ...string) {
		for _, node := range p.cluster.Nodes {
			out, err := p.cluster.NodeTool(context.Background(), node.Name, append(args, p.keyspace)...)
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
			n := time.Duration(0)
			p := newP3(t, func() time.Time { return start.Add(n * step) })
			var lives []life
			for range 10 {
				n++ // between the messages, when nobody else looks at the clock
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
			m := &mailboxSession{store: p.store, id: lives[0].attempt.mailbox, user: "bob"}
			var listed []MessageID
			for entry, err := range m.Messages(t.Context()) {
				require.NoError(t, err)
				id, err := ParseMessageID(entry.ID)
				require.NoError(t, err)
				listed = append(listed, id)
			}
			require.Len(t, listed, 5)
			require.True(t, slices.IsSortedFunc(listed, MessageID.Compare))
			for i, l := range lives {
				if i%2 == 0 {
					p.gone(t, l)
				} else {
					require.Contains(t, listed, l.attempt.id)
				}
			}
		})
	}
}

// The timestamps are those of the rule, and of nothing else: three consecutive
// microseconds, whatever the clock says.
func TestP3TimestampsComeFromTheID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := someID(t)
		require.Equal(t, id.Timestamp(), AddedAt(id))
		require.Equal(t, id.Timestamp()+1, markedAt(id))
		require.Equal(t, id.Timestamp()+2, DeletedAt(id))
	})
}

// What Cassandra itself notes as the write time of each cell of a real delivery
// and a real mark is the ID's.
func TestP3WriteTimesAreTheIDs(t *testing.T) {
	t.Parallel()
	p := newP3(t, nil)
	for _, size := range []int{100, 300_000} {
		user := fmt.Sprintf("user%d", size)
		results, err := p.store.Append(t.Context(), deliveryTo(user), strings.NewReader(strings.Repeat("a line\r\n", size/8)))
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		id, err := ParseMessageID(results[0].ID)
		require.NoError(t, err)
		mailbox, _, err := p.store.Mailbox(user)
		require.NoError(t, err)
		times := func(statement string, values ...any) {
			t.Helper()
			rows := p.raw.Query(fmt.Sprintf(statement, p.keyspace), values...).Iter()
			count := 0
			for row := map[string]any{}; rows.MapScan(row); row = map[string]any{} {
				count++
				for column, at := range row {
					require.Equal(t, AddedAt(id), at, column)
				}
			}
			require.NoError(t, rows.Close())
			require.Positive(t, count)
		}
		times("SELECT writetime(data), writetime(mailbox_id), writetime(size), writetime(chunks), writetime(head), writetime(sha256) FROM %s.message WHERE message_id = ?", gocql.UUID(id))
		times("SELECT writetime(uid), writetime(mod_seq), writetime(size) FROM %s.mailbox_message WHERE mailbox_id = ? AND bucket = ?", gocql.UUID(mailbox), p.store.session.Bucket(id))
		times("SELECT writetime(size) FROM %s.projection WHERE mailbox_id = ? AND bucket = ?", gocql.UUID(mailbox), p.store.session.Bucket(id))
		require.NoError(t, p.store.mark(t.Context(), mailbox, p.store.session.Bucket(id), []MessageID{id}))
		var marked int64
		require.NoError(t, p.raw.Query("SELECT writetime(removed) FROM "+p.keyspace+".mailbox_message WHERE mailbox_id = ? AND bucket = ?",
			gocql.UUID(mailbox), p.store.session.Bucket(id)).Scan(&marked))
		require.Equal(t, markedAt(id), marked)
	}
}

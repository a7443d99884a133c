package faults

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popcask/popcask/cassandra/cql"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

// The suite finds bugs: the kinds that a library like this one may have are
// planted, each in a history of a few operations on a real cluster, and the
// checker must find the harm that it did. The same history without the bug must
// be clean.
func TestPlanted(t *testing.T) {
	slow.Test(t, "four nodes")
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}, {Name: "dc2", Nodes: 1}},
		// So a coordinator always asks the nodes of its own data centre first,
		// even if they are slow at the moment.
		Settings: map[string]any{"dynamic_snitch": false},
		Private:  true, // so that it ends with this test, not a minute later
	})
	one := newSite(t, cluster, cassandra.Replication{"dc1": 3})
	t.Run("P3 default timestamps", func(t *testing.T) { one.find(t, Resurrected, lateEvent) })
	t.Run("P1 gaps recorded without proof", func(t *testing.T) { one.find(t, Missed, gapWithoutProof) })
	t.Run("P1 a gap proven by clocks", func(t *testing.T) { one.find(t, Missed, frozenAppender) })
	t.Run("P1 an ID used again after a failed attempt", func(t *testing.T) { one.find(t, Lost, idUsedAgain) })
	t.Run("P2 two bodies under one ID", func(t *testing.T) { one.find(t, Corrupt, twoBodies) })
	t.Run("P1 a listing that stops at the bucket of now", func(t *testing.T) { one.find(t, Missed, listingUntilNow) })

	two := newSite(t, cluster, cassandra.Replication{"dc2": 1}) // and dc1, in the course of it
	t.Run("P2 QUORUM instead of EACH_QUORUM", func(t *testing.T) { two.find(t, WronglyGone, lag) })
}

// lateEvent: an event comes to the index once more, after the removal. The bug
// writes it with the present time, not with that of the ID.
func lateEvent(p *plot) {
	var index cassandra.Index
	w, session := p.host("a", "dc1", bug{
		index: func(i cassandra.Index) cassandra.Index { index = i; return i },
		tamper: func(call *storetest.Call) {
			if call.Timestamp != 0 {
				call.Timestamp = time.Now().UnixMicro()
				p.harm()
			}
		},
	})
	messages := p.delivers(w, p.letter(1, 100), p.letter(2, 100))
	p.reads(w, false)
	p.removes(w, messages[0])
	entry := cassandra.Entry{ID: idOf(p, messages[0]), Size: messages[0].Size}
	require.NoError(p, index.Added(p.Context(), p.mailboxOf(session), entry))
	p.reads(w, false)
	p.reads(w, true)
}

// provesAtOnce makes a proof of what is empty follow every removal.
func provesAtOnce(c *cassandra.Config) { c.Horizon, c.GapInterval = time.Millisecond, time.Nanosecond }

// gapWithoutProof: the bug records the whole mailbox as empty up to now,
// without a fence and without looking.
func gapWithoutProof(p *plot) {
	w, session := p.host("a", "dc1", bug{change: provesAtOnce, tamper: func(call *storetest.Call) {
		if call.IsFence() || call.IsProof() {
			call.Drop = true
			p.harm()
		}
	}})
	messages := p.delivers(w, p.letter(1, 100), p.letter(2, 100), p.letter(3, 100))
	p.reads(w, false)
	db, id := p.cluster.Session(p, "dc1"), p.mailboxOf(session)
	p.removes(w, messages[0])
	p.eventually("something is recorded as empty", func() bool { return p.provenUntil(db, id) > 0 })
	p.reads(w, false)
	p.reads(w, true)
}

// frozenAppender: a delivery is frozen after its ID was minted and before its
// membership is written. Meanwhile another host proves that everything up to
// now is empty. The bug relies on the horizon alone, and writes no fence.
func frozenAppender(p *plot) {
	b := bug{change: provesAtOnce, tamper: func(call *storetest.Call) {
		if call.IsFence() {
			call.Drop = true
			p.harm()
		}
	}}
	w, session := p.host("a", "dc1", b)
	p.delivers(w, p.letter(1, 100))

	froze, thaw := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.change = func(c *cassandra.Config) {
		provesAtOnce(c)
		c.UID = func() uint32 { // it is called right before the membership is written
			once.Do(func() {
				close(froze)
				<-thaw
			})
			return 1
		}
	}
	frozen, _ := p.host("frozen", "dc1", b)
	refused := make(chan bool)
	letter := p.letter(2, 100)
	go func() { refused <- len(frozen.Attempt(p.Context(), letter, []string{p.user})) > 0 }()
	<-froze
	minted := time.Now().UnixMicro() // or a moment before
	db, id := p.cluster.Session(p, "dc1"), p.mailboxOf(session)
	n := 3
	p.eventually("what is recorded as empty reaches beyond the frozen ID", func() bool {
		p.removes(w, p.delivers(w, p.letter(n, 100))...)
		n++
		return p.provenUntil(db, id) > minted
	})
	close(thaw)
	require.Equal(p, !p.planted, <-refused, "it sees the fence")
	if !p.planted { // the sender tries again
		p.delivers(frozen, letter)
	}
	p.reads(w, false)
	p.reads(w, true)
}

// stopped returns a change to a clock that stands still, so that all IDs are in
// one bucket.
func stopped(at time.Time) func(*cassandra.Config) {
	return func(c *cassandra.Config) { c.Now = func() time.Time { return at } }
}

// reuse makes a library that uses the ID of its first attempt for all attempts.
type reuse struct {
	mu    sync.Mutex
	first cassandra.MessageID
	later map[cassandra.MessageID]bool
}

// tamper writes everything about a later ID with the first one.
func (r *reuse) tamper(p *plot) func(*storetest.Call) {
	r.later = make(map[cassandra.MessageID]bool)
	return func(call *storetest.Call) {
		r.mu.Lock()
		defer r.mu.Unlock()
		call.Rename(func(id cassandra.MessageID) cassandra.MessageID {
			switch r.first {
			case cassandra.MessageID{}:
				r.first = id
			case id:
			default:
				r.later[id] = true
				p.harm()
			}
			return r.first
		})
	}
}

// acknowledge changes the history to what such a library would have answered.
func (r *reuse) acknowledge(p *plot) {
	for i := range p.ops {
		if op := &p.ops[i]; op.Kind == Deliver && op.Outcome == OK && r.later[idOf(p, op.Message)] {
			op.Message.ID, op.Message.UIDL = r.first.String(), r.first.String()
		}
	}
}

// refusing is an index that fails once.
type refusing struct {
	cassandra.Index
	failed atomic.Bool
}

func (r *refusing) Added(ctx context.Context, mailbox cassandra.MailboxID, message cassandra.Entry) error {
	if !r.failed.Swap(true) {
		return errors.New("the index is not well")
	}
	return r.Index.Added(ctx, mailbox, message)
}

// idUsedAgain: a delivery fails and is undone, and the sender tries again. The
// bug uses the same ID, whose tombstones hide what it writes.
func idUsedAgain(p *plot) {
	var r reuse
	w, _ := p.host("a", "dc1", bug{change: stopped(time.Now()), tamper: r.tamper(p), index: func(i cassandra.Index) cassandra.Index { return &refusing{Index: i} }})
	letter := p.letter(1, 100)
	require.Equal(p, []string{p.user}, w.Attempt(p.Context(), letter, []string{p.user}))
	p.delivers(w, letter)
	r.acknowledge(p)
	p.reads(w, false)
	p.reads(w, true)
}

// twoBodies: the bug gives two messages one ID. Their timestamps are equal,
// too, so that of each cell the larger value is left. They have the same size:
// the store itself would notice two sizes.
func twoBodies(p *plot) {
	var r reuse
	w, _ := p.host("a", "dc1", bug{change: stopped(time.Now()), tamper: r.tamper(p)})
	p.delivers(w, p.letter(1, 1000), p.letter(2, 1000))
	r.acknowledge(p)
	p.reads(w, false)
	p.reads(w, true)
	if !p.planted {
		return
	}
	retrieved := Check(slices.DeleteFunc(slices.Clone(p.ops), func(op Op) bool { return op.Kind == Deliver && op.Body.Seq == 2 }), nil)
	require.NotEmpty(p, retrieved.Of(Corrupt), "what is retrieved shows it, too: %s", retrieved)
}

// untilNow makes a listing stop at the bucket of a clock.
type untilNow struct {
	cassandra.Index
	now  time.Time
	harm func()
}

func (u untilNow) List(ctx context.Context, mailbox cassandra.MailboxID, list []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return u.Index.List(ctx, mailbox, slices.DeleteFunc(slices.Clone(list), func(s cassandra.Slice) bool {
		beyond := s.From > u.now.UnixMicro()
		if beyond {
			u.harm()
		}
		return beyond
	}))
}

// listingUntilNow: the clock of the host that delivers is ahead by three
// buckets. The bug lists only up to its own clock.
func listingUntilNow(p *plot) {
	now := time.Now()
	w, _ := p.host("a", "dc1", bug{
		change: stopped(now),
		index: func(i cassandra.Index) cassandra.Index {
			if p.planted {
				return untilNow{i, now, p.harm}
			}
			return i
		},
	})
	ahead, _ := p.host("ahead", "dc1", bug{change: stopped(now.Add(3 * bucketOfPlots))})
	p.delivers(w, p.letter(1, 100))
	p.delivers(ahead, p.letter(2, 100))
	p.reads(w, false)
	p.reads(ahead, false)
	p.reads(w, true)
}

// lag: dc2 delivers, and only the listing has arrived in dc1. The bug asks a
// quorum of all replicas, three of four, which dc1 has by itself.
func lag(p *plot) {
	db := p.cluster.Session(p, "dc2")
	alter := func(statement string) {
		require.NoError(p, db.Query(fmt.Sprintf(statement, p.keyspace)).Exec())
		require.NoError(p, db.AwaitSchemaAgreement(p.Context()))
	}
	replicate := func(text string) {
		alter("ALTER KEYSPACE %s WITH replication = {'class': 'NetworkTopologyStrategy', " + text + "}")
	}
	replicate("'dc2': 1")
	far, session := p.host("b", "dc2", bug{})
	var letters []Text
	for n := range 5 {
		letters = append(letters, p.letter(n, 300))
	}
	messages := p.delivers(far, letters...)

	// New replicas have no data, like those that were cut off. No coordinator
	// may ask a fourth one because the third is slow.
	replicate("'dc1': 3, 'dc2': 1")
	for _, table := range []string{"message", "mailbox_message"} {
		alter("ALTER TABLE %s." + table + " WITH speculative_retry = 'NEVER'")
	}
	to := p.cluster.Session(p, "dc1")
	// No host connects without the settings: reading them in every data centre
	// repairs them.
	require.NoError(p, to.Query(fmt.Sprintf("SELECT id, version, bucket_seconds, namespace, canonicaliser, replication, replication_since FROM %s.settings WHERE id = 'popcask'", p.keyspace)).Consistency(gocql.All).Exec())
	id := p.mailboxOf(session)
	for _, m := range messages {
		message := idOf(p, m)
		require.NoError(p, to.Query(fmt.Sprintf("INSERT INTO %s.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", p.keyspace),
			[16]byte(id), session.Bucket(message), [16]byte(message), m.Size, message.Timestamp()).Consistency(gocql.All).Exec())
		var there int
		require.NoError(p, to.Query(fmt.Sprintf("SELECT count(*) FROM %s.message WHERE message_id = ?", p.keyspace), [16]byte(message)).Scan(&there))
		require.Zero(p, there, "its content has not arrived in dc1")
	}
	near, _ := p.host("a", "dc1", bug{tamper: func(call *storetest.Call) {
		if call.Level == cql.EachQuorum && strings.HasPrefix(call.Statement, "SELECT") {
			call.Level = "QUORUM"
			p.harm()
		}
	}})
	p.reads(near, false)
	p.reads(far, true)
	p.reads(near, true)
}

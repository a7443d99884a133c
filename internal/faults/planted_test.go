package faults

import (
	"context"
	"crypto/sha256"
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
	t.Run("P1 a seal without proof", func(t *testing.T) { one.find(t, Missed, sealWithoutProof) })
	t.Run("P1 a seal proven by clocks", func(t *testing.T) { one.find(t, Missed, frozenAppender) })
	t.Run("P1 an ID used again after a failed attempt", func(t *testing.T) { one.find(t, Lost, idUsedAgain) })
	t.Run("P2 two bodies under one ID", func(t *testing.T) { one.find(t, Corrupt, twoBodies) })
	t.Run("P1 a listing that stops at the bucket of now", func(t *testing.T) { one.find(t, Missed, listingUntilNow) })
	t.Run("P2 IDs that a process and its clone both draw", func(t *testing.T) { one.find(t, Corrupt, clonedProcess) })
	t.Run("P5 a unique-id confirmed after the index was written", func(t *testing.T) { one.find(t, ChangedUIDL, confirmedLate) })

	two := newSite(t, cluster, cassandra.Replication{"dc2": 1}) // and dc1, in the course of it
	t.Run("P2 QUORUM instead of EACH_QUORUM and ALL", func(t *testing.T) { two.find(t, WronglyGone, lag) })

	// A node is shut down in it, so it is the last one.
	t.Run("EACH_QUORUM instead of ALL", func(t *testing.T) { lastReplica(t, newSite(t, cluster, cassandra.Replication{"dc1": 1})) })
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

// sealsAtOnce makes a seal follow every removal, up to a second ago.
func sealsAtOnce(c *cassandra.Config) { c.Horizon, c.SealAfter = time.Second, 1 }

// sealWithoutProof: the bug seals the mailbox without a fence and without
// looking what is in it.
func sealWithoutProof(p *plot) {
	w, _ := p.host("a", "dc1", bug{change: sealsAtOnce, tamper: func(call *storetest.Call) {
		if call.IsFence() || call.IsProof() {
			call.Drop = true
			p.harm()
		}
	}})
	messages := p.delivers(w, p.letter(1, 100), p.letter(2, 100), p.letter(3, 100))
	p.reads(w, false)
	p.removes(w, messages[0])
	p.seals(w, 4)
	p.reads(w, false)
	p.reads(w, true)
}

// frozenAppender: a delivery is frozen after its ID was minted and before its
// membership is written. Meanwhile another host seals everything up to now. The
// bug relies on the horizon alone, and writes no fence.
func frozenAppender(p *plot) {
	b := bug{change: sealsAtOnce, tamper: func(call *storetest.Call) {
		if call.IsFence() {
			call.Drop = true
			p.harm()
		}
	}}
	w, _ := p.host("a", "dc1", b)
	p.delivers(w, p.letter(1, 100))

	froze, thaw := make(chan struct{}), make(chan struct{})
	var once sync.Once
	b.change = func(c *cassandra.Config) {
		sealsAtOnce(c)
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
	p.seals(w, 3)
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

// twoBodies: the bug gives two messages of a host one ID.
func twoBodies(p *plot) {
	var r reuse
	w, _ := p.host("a", "dc1", bug{change: stopped(time.Now()), tamper: r.tamper(p)})
	r.shareID(p, w, w)
}

// clonedProcess: a process and its clone have one clock, and deliver one message
// each. The bug draws what makes their IDs differ once for each process, before
// it is cloned: as the generators of many libraries do.
func clonedProcess(p *plot) {
	var r reuse
	b := bug{change: stopped(time.Now()), tamper: r.tamper(p)}
	w, _ := p.host("a", "dc1", b)
	clone, _ := p.host("clone", "dc1", b)
	r.shareID(p, w, clone)
}

// shareID delivers two messages, which the bug gives one ID. Their timestamps
// are equal, too, so that of each cell the larger value is left. All of these
// are of the second message: the store itself would notice the size or the
// digest of other octets.
func (r *reuse) shareID(p *plot, w, other *Worker) {
	first, second := p.letter(1, 1000), p.letter(2, 1000)
	for n := 3; len(second.octets) < len(first.octets) || second.octets < first.octets || digest(second) < digest(first); n++ {
		second = p.letter(n, 1000)
	}
	p.delivers(w, first)
	p.delivers(other, second)
	r.acknowledge(p)
	p.reads(w, false)
	p.reads(w, true)
	if !p.planted {
		return
	}
	retrieved := Check(slices.DeleteFunc(slices.Clone(p.ops), func(op Op) bool { return op.Kind == Deliver && op.Body == second.Body }), nil)
	require.NotEmpty(p, retrieved.Of(Corrupt), "what is retrieved shows it, too: %s", retrieved)
}

// confirmedLate: two messages come with one foreign unique-id. The bug looks for
// the claims of others when the index has been written: whoever lists the
// mailbox before that sees the unique-id twice.
func confirmedLate(p *plot) {
	w, _ := p.host("a", "dc1", bug{tamper: func(call *storetest.Call) {
		if strings.HasPrefix(call.Statement, "SELECT") && strings.Contains(call.Statement, " FROM uidl ") {
			call.Drop = true
			p.harm()
		}
	}})
	for n := range 2 {
		letter := p.letter(n, 100)
		letter.UIDL = "of-another-system"
		p.delivers(w, letter)
	}
	p.reads(w, false)
	p.reads(w, true)
}

func digest(letter Text) string {
	sum := sha256.Sum256([]byte(letter.octets))
	return string(sum[:])
}

// untilNow makes a listing stop at the bucket of a clock.
type untilNow struct {
	cassandra.Index
	now  time.Time
	harm func()
}

func (u untilNow) List(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, list []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return u.Index.List(ctx, level, mailbox, slices.DeleteFunc(slices.Clone(list), func(s cassandra.Slice) bool {
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

// lag: dc2 delivers, and only the listing and the ledger have arrived in dc1.
// The bug asks a quorum of all replicas, three of four, which dc1 has by itself.
func lag(p *plot) {
	s, db := site{p.cluster, p.keyspace}, p.cluster.Session(p, "dc2")
	s.replicate(p.T, db, "'dc2': 1")
	far, session := p.host("b", "dc2", bug{})
	var letters []Text
	for n := range 5 {
		letters = append(letters, p.letter(n, 300))
	}
	messages := p.delivers(far, letters...)

	// New replicas have no data, like those that were cut off. No coordinator
	// may ask a fourth one because the third is slow.
	s.replicate(p.T, db, "'dc1': 3, 'dc2': 1")
	for _, table := range []string{"message", "mailbox_message"} {
		s.alter(p.T, db, "ALTER TABLE KS."+table+" WITH speculative_retry = 'NEVER'")
	}
	to := p.cluster.Session(p, "dc1")
	for _, m := range messages {
		message := idOf(p, m)
		p.indexes(to, session, m)
		var there int
		require.NoError(p, to.Query(fmt.Sprintf("SELECT count(*) FROM %s.message WHERE message_id = ?", p.keyspace), [16]byte(message)).Scan(&there))
		require.Zero(p, there, "its content has not arrived in dc1")
	}
	near, _ := p.host("a", "dc1", bug{tamper: func(call *storetest.Call) {
		if call.Level != cql.LocalQuorum && strings.HasPrefix(call.Statement, "SELECT") {
			call.Level = "QUORUM"
			p.harm()
		}
	}})
	p.reads(near, false)
	p.reads(far, true)
	p.reads(near, true)
}

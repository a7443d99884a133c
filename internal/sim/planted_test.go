package sim

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

// plantedBugs are bugs, by the names of the files in testdata/planted with the
// smallest histories that show them. Some are planted in the fault suite too.
var plantedBugs = map[string]struct {
	plant func() Planted
	want  []faults.Class // how it may show
	rare  bool           // a search of minutes finds it: with -sim.rare
}{
	"P3-default-timestamps":                      {defaultTimestamps, []faults.Class{faults.Resurrected}, false},
	"P1-seal-recorded-without-reading":           {tampers(sealWithoutReading), []faults.Class{faults.Missed, Hidden}, false},
	"P1-seal-proven-by-clocks":                   {wrongTogether(sealByClocks), []faults.Class{faults.Missed, Hidden}, false},
	"P1-fence-at-EACH_QUORUM":                    {wrongTogether(weakFence), []faults.Class{faults.Missed, Hidden}, true},
	"P1-fence-that-no-delivery-reads":            {wrongTogether(unreadFence), []faults.Class{faults.Missed, Hidden}, false},
	"P1-proof-at-EACH_QUORUM":                    {tampers(weakProof), []faults.Class{faults.Missed, Hidden}, true},
	"P1-id-used-again-after-a-failed-attempt":    {reusesIDs(true), []faults.Class{faults.Lost, faults.Missed}, false},
	"P2-two-bodies-under-one-id":                 {reusesIDs(false), []faults.Class{faults.Corrupt}, false},
	"P1-listing-that-stops-at-the-bucket-of-now": {listsUntilNow, []faults.Class{faults.Missed, Hidden}, false},
	"P2-QUORUM-instead-of-EACH_QUORUM":           {tampers(quorum), []faults.Class{faults.WronglyGone}, false},
	"P2-gone-without-asking-every-replica":       {tampers(weakMiss), []faults.Class{faults.WronglyGone}, true},
	"P5-unique-id-claimed-after-the-look":        {looksFirst, []faults.Class{faults.ChangedUIDL}, true},
	"P5-unique-id-looked-up-at-LOCAL_QUORUM":     {tampers(weakLook), []faults.Class{faults.ChangedUIDL}, true},
}

// The smallest histories that show the planted bugs show them, and are clean
// without them.
func TestPlantedBugs(t *testing.T) {
	for name, bug := range plantedBugs {
		t.Run(name, func(t *testing.T) {
			h := read(t, "testdata/planted/"+name+".txt")
			v := Play(t, h, Setup{Plant: bug.plant}, NewCoverage())
			require.True(t, v.Has(faults.Class(h.Expect)), "%v", v.Violations)
			require.Contains(t, bug.want, faults.Class(h.Expect))
			require.Empty(t, Play(t, h, without(bug.plant), NewCoverage()).Violations, "without the bug")
		})
	}
}

// without is the setup of a bug without the bug.
func without(plant func() Planted) Setup {
	agrees := plant().Agrees
	return Setup{Plant: func() Planted { return Planted{Agrees: agrees} }}
}

// The search finds the planted bugs without being told where they are; the rare
// ones only with -sim.rare.
func TestSearchFindsPlantedBugs(t *testing.T) {
	slow.Test(t, "a search for each bug")
	notWithRaceDetector(t)
	for name, bug := range plantedBugs {
		if bug.rare && !*flagRare {
			continue // TestPlantedBugs has its smallest history
		}
		t.Run(name, func(t *testing.T) {
			setup := Setup{Plant: bug.plant}
			h, class := hunt(t, setup, 10*time.Minute, bug.want)
			require.NotEmpty(t, class, "not found")
			require.Empty(t, Play(t, h, without(bug.plant), NewCoverage()).Violations, "without the bug")
		})
	}
}

func notWithRaceDetector(t *testing.T) {
	if slow.RaceDetector() {
		t.Skip("with the race detector it takes ten times as long: .ci/run runs it without")
	}
}

// hunt searches for a violation of these classes, until the limit. It returns
// the history and the class, and logs the history as small as it gets.
func hunt(t *testing.T, setup Setup, limit time.Duration, wanted []faults.Class) (History, faults.Class) {
	c := newCorpus()
	menu := everything()
	menu["replicas"] = false // which no bug needs: there is more of the rest
	began := time.Now()
	for seed := uint64(1); time.Since(began) < limit; seed++ {
		h := c.propose(seed, menu)
		v := Play(t, h, setup, NewCoverage())
		c.learn(h, v)
		for _, of := range v.Violations {
			if !slices.Contains(wanted, of.Class) {
				continue
			}
			small := Shrink(h, 2000, func(h History) bool { return Play(t, h, setup, NewCoverage()).Has(of.Class) })
			t.Logf("%s, after %s: %s\n%s", of.Class, time.Since(began), of.Text, small)
			return h, of.Class
		}
	}
	return History{}, ""
}

// tampers returns a bug that changes statements on their way.
func tampers(change func(*storetest.Call)) func() Planted {
	return func() Planted {
		return Planted{Wrap: func(string) func(cql.DB) cql.DB { return storetest.Tamper(change) }}
	}
}

// wrongTogether is tampers, where the clocks of nodes are as wrong as those of
// hosts. If they were right, a host that is behind would take no mail, and only
// the fence shows that it does not need them.
func wrongTogether(change func(*storetest.Call)) func() Planted {
	return func() Planted {
		p := tampers(change)()
		p.Agrees = true
		return p
	}
}

// defaultTimestamps: writes carry the time of the moment.
func defaultTimestamps() Planted {
	return tampers(func(call *storetest.Call) {
		if call.Timestamp > 1_000_000 {
			call.Timestamp = time.Now().UnixMicro()
		}
	})()
}

// sealWithoutReading: a proof does not read what it seals.
func sealWithoutReading(call *storetest.Call) { call.Drop = call.IsProof() }

// sealByClocks: no fence is written. The proof relies on the horizon alone.
func sealByClocks(call *storetest.Call) { call.Drop = call.IsFence() }

// weakFence: a replica that forgets the fence may be one of the quorum.
func weakFence(call *storetest.Call) { lower(call, call.IsFence(), cql.All, cql.EachQuorum) }

// unreadFence: a delivery does not read the ledger, but writes its rows.
func unreadFence(call *storetest.Call) {
	call.Drop = reads(call, "ledger") && strings.Contains(call.Statement, "bucket IN") && call.Level == cql.LocalQuorum
}

// weakProof: two replicas, of which one has forgotten a message, may be all that
// a proof reads.
func weakProof(call *storetest.Call) { lower(call, call.IsProof(), cql.All, cql.EachQuorum) }

// quorum: a session that finds nothing asks a quorum of all replicas.
func quorum(call *storetest.Call) {
	of := reads(call, "message") || reads(call, "mailbox_message")
	lower(call, of, cql.EachQuorum, "QUORUM")
	lower(call, of && !call.IsProof(), cql.All, "QUORUM")
}

// weakMiss: it does not ask every replica.
func weakMiss(call *storetest.Call) {
	of := reads(call, "message") || reads(call, "mailbox_message")
	lower(call, of && !call.IsProof(), cql.All, cql.EachQuorum)
}

// weakLook: the claim of another message may be missed by a quorum of one data
// centre.
func weakLook(call *storetest.Call) { lower(call, reads(call, "uidl"), cql.All, cql.LocalQuorum) }

// lower lowers the level of some calls.
func lower(call *storetest.Call, some bool, from, to cql.Level) {
	if some && call.Level == from {
		call.Level = to
	}
}

// reads reports whether a call reads a table.
func reads(call *storetest.Call, table string) bool {
	return strings.HasPrefix(call.Statement, "SELECT") && strings.Contains(call.Statement, " FROM "+table+" ")
}

// looksFirst: a message looks for the claims of others, and then writes its own.
func looksFirst() Planted {
	return Planted{Wrap: func(string) func(cql.DB) cql.DB {
		return func(db cql.DB) cql.DB { return &lookFirst{DB: db, claims: make(map[string][]func() error)} }
	}}
}

type lookFirst struct {
	cql.DB
	mu     sync.Mutex
	claims map[string][]func() error // that are not written yet, by the key of their partition
}

// Exec implements [cql.DB].
func (d *lookFirst) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	write := func() error { return d.DB.Exec(ctx, level, st, timestamp, values...) }
	if st.Table.Name != "uidl" || len(st.Columns) > 0 {
		return write()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := fmt.Sprint(values[0], values[1])
	d.claims[key] = append(d.claims[key], write)
	return nil
}

// Page implements [cql.DB].
func (d *lookFirst) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) ([]byte, error) {
	next, err := d.DB.Page(ctx, level, st, state, scan, values...)
	if st.Table.Name != "uidl" || err != nil {
		return next, err
	}
	d.mu.Lock()
	key := fmt.Sprint(values[0], values[1])
	claims := d.claims[key]
	delete(d.claims, key)
	d.mu.Unlock()
	for _, write := range claims {
		if err := write(); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// reusesIDs: a host writes a message with the ID of its message before; or only
// if that one failed and was undone.
func reusesIDs(onlyAfterFailure bool) func() Planted {
	return func() Planted {
		var mu sync.Mutex
		as := make(map[cassandra.MessageID]cassandra.MessageID)
		wrap := func(string) func(cql.DB) cql.DB {
			r := &reuse{mu: &mu, as: as, onlyAfterFailure: onlyAfterFailure}
			return storetest.Tamper(r.tamper)
		}
		acknowledged := func(text string) string {
			mu.Lock()
			defer mu.Unlock()
			id, _ := cassandra.ParseMessageID(text)
			if other, ok := as[id]; ok {
				return other.String()
			}
			return text
		}
		return Planted{Wrap: wrap, Acknowledged: acknowledged}
	}
}

type reuse struct {
	mu               *sync.Mutex
	as               map[cassandra.MessageID]cassandra.MessageID // the IDs that are used instead
	onlyAfterFailure bool
	last             cassandra.MessageID
	failed           bool
}

// tamper writes everything about some IDs with others. The membership says
// which IDs are new.
func (r *reuse) tamper(call *storetest.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call.Rename(func(id cassandra.MessageID) cassandra.MessageID {
		if _, known := r.as[id]; !known {
			r.as[id] = id
			if r.last != (cassandra.MessageID{}) && (r.failed || !r.onlyAfterFailure) {
				r.as[id] = r.last
			} else {
				r.last = id
			}
			r.failed = false
		}
		if id == r.last && strings.HasPrefix(call.Statement, "UPDATE mailbox_message") {
			r.failed = true
		}
		return r.as[id]
	})
}

// listsUntilNow is an index that lists up to the bucket of its own clock.
func listsUntilNow() Planted {
	return Planted{Index: func(i cassandra.Index) cassandra.Index { return untilNow{i} }}
}

type untilNow struct{ cassandra.Index }

func (u untilNow) List(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, list []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	now := time.Now().UnixMicro()
	return u.Index.List(ctx, level, mailbox, slices.DeleteFunc(slices.Clone(list), func(s cassandra.Slice) bool { return s.From > now }))
}

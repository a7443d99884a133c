package sim

import (
	"context"
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

// plantedBugs are the bugs that are planted in the fault suite too: by the name
// of the file in testdata/planted with the smallest history that shows it.
var plantedBugs = map[string]struct {
	plant func() Planted
	want  []faults.Class // how it may show
}{
	"P3-default-timestamps":                      {defaultTimestamps, []faults.Class{faults.Resurrected}},
	"P1-gap-recorded-without-proof":              {tampers(gapWithoutProof), []faults.Class{faults.Missed, Hidden}},
	"P1-gap-proven-by-clocks":                    {tampers(gapByClocks), []faults.Class{faults.Missed, Hidden}},
	"P1-id-used-again-after-a-failed-attempt":    {reusesIDs(true), []faults.Class{faults.Lost, faults.Missed}},
	"P2-two-bodies-under-one-id":                 {reusesIDs(false), []faults.Class{faults.Corrupt}},
	"P1-listing-that-stops-at-the-bucket-of-now": {listsUntilNow, []faults.Class{faults.Missed, Hidden}},
	"P2-QUORUM-instead-of-EACH_QUORUM":           {tampers(quorum), []faults.Class{faults.WronglyGone}},
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
			require.Empty(t, Play(t, h, Setup{}, NewCoverage()).Violations, "without the bug")
		})
	}
}

// The search finds the planted bugs without being told where they are.
func TestSearchFindsPlantedBugs(t *testing.T) {
	slow.Test(t, "a search for each of seven bugs")
	notWithRaceDetector(t)
	for name, bug := range plantedBugs {
		t.Run(name, func(t *testing.T) {
			setup := Setup{Plant: bug.plant, Ignore: knownClasses}
			h, class := hunt(t, sound(), setup, 10*time.Minute, bug.want...)
			require.NotEmpty(t, class, "not found")
			require.Empty(t, Play(t, h, Setup{Ignore: knownClasses}, NewCoverage()).Violations, "without the bug")
		})
	}
}

// With every EACH_QUORUM raised to ALL the store bears that a node forgets. So
// what the search finds without that is not a false alarm of the judge.
func TestALLBearsANodeThatForgets(t *testing.T) {
	slow.Test(t, "a search that finds nothing")
	notWithRaceDetector(t)
	menu := sound()
	menu["forget"] = true
	raised := tampers(func(call *storetest.Call) {
		if call.Level == cql.EachQuorum {
			call.Level = cql.All
		}
	})
	_, class := hunt(t, menu, Setup{Plant: raised, Ignore: knownClasses}, 20*time.Second)
	require.Empty(t, class)
}

func notWithRaceDetector(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector it takes ten times as long: .ci/run runs it without")
	}
}

// hunt searches for a violation, of these classes or of any, until the limit. It
// returns the history and the class, and logs the history as small as it gets.
func hunt(t *testing.T, menu map[string]bool, setup Setup, limit time.Duration, wanted ...faults.Class) (History, faults.Class) {
	c := newCorpus()
	began := time.Now()
	for seed := uint64(1); time.Since(began) < limit; seed++ {
		h := c.propose(seed, menu)
		v := Play(t, h, setup, NewCoverage())
		c.learn(h, v)
		for _, of := range v.Violations {
			if len(wanted) > 0 && !slices.Contains(wanted, of.Class) {
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

// defaultTimestamps: writes carry the time of the moment.
func defaultTimestamps() Planted {
	return tampers(func(call *storetest.Call) {
		if call.Timestamp > 1_000_000 {
			call.Timestamp = time.Now().UnixMicro()
		}
	})()
}

// gapByClocks: no fence is written. The proof relies on the horizon alone.
func gapByClocks(call *storetest.Call) { call.Drop = call.IsFence() }

// gapWithoutProof: no fence is written, and nothing is read.
func gapWithoutProof(call *storetest.Call) {
	call.Drop = call.IsFence() || call.IsProof()
}

func quorum(call *storetest.Call) {
	if call.Level == cql.EachQuorum && strings.HasPrefix(call.Statement, "SELECT") {
		call.Level = "QUORUM"
	}
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

func (u untilNow) List(ctx context.Context, mailbox cassandra.MailboxID, list []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	now := time.Now().UnixMicro()
	return u.Index.List(ctx, mailbox, slices.DeleteFunc(slices.Clone(list), func(s cassandra.Slice) bool { return s.From > now }))
}

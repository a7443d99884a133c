package indextest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/popcask/popcask/cassandra"
)

func removedFromSeveralBuckets(ctx context.Context, s *suite) {
	b := s.newBox()
	var entries []cassandra.Entry
	bucket := cassandra.BucketSlice(newID(s.microseconds(0)).Bucket())
	for i := range int64(5) { // a bucket with many, and some with fewer
		n := int64(100)
		if i == 0 {
			n = 1000
		}
		for j := range n {
			entries = append(entries, entry(bucket.From-i*3*month-1-j*(month/n)))
		}
	}
	rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	b.fill(ctx, entries)
	var ids []cassandra.MessageID
	for i, e := range entries {
		if i%10 != 0 {
			ids = append(ids, e.ID)
		}
	}
	b.remove(ctx, ids[0])
	b.expect(ctx, ruleRemoved, "after one message was removed")
	b.remove(ctx, append(ids, ids[:100]...)...)
	b.expect(ctx, ruleRemoved, "after many messages of several buckets were removed, in any order and some twice,")
	b.remove(ctx, slices.Collect(maps.Keys(b.entries))...)
	b.expect(ctx, ruleRemoved, "after all messages were removed")
}

// call is a call of an index about some messages, by their numbers.
type call struct {
	method   string
	messages []int
}

func (c call) String() string { return fmt.Sprintf("%s%v", c.method, c.messages) }

// play makes calls about messages of the mailbox, one after the other. In the
// end those must be listed that were added and never removed, and those that were
// renamed without a unique-id.
func (b *box) play(ctx context.Context, entries []cassandra.Entry, calls []call) error {
	added, removed, renamed := make(map[cassandra.MessageID]bool), make(map[cassandra.MessageID]bool), make(map[cassandra.MessageID]bool)
	for _, c := range calls {
		var ids []cassandra.MessageID
		for _, i := range c.messages {
			ids = append(ids, entries[i].ID)
		}
		var err error
		switch e := entries[c.messages[0]]; c.method {
		case "Added":
			added[e.ID] = true
			err = b.Added(ctx, b.id, e)
		case "Restore":
			added[e.ID] = true
			err = b.Restore(ctx, b.id, e)
		case "Renamed":
			added[e.ID], renamed[e.ID] = true, true
			e.UIDL = ""
			err = b.Renamed(ctx, b.id, e)
		default:
			for _, id := range ids {
				removed[id] = true
			}
			err = b.Removed(ctx, b.id, ids)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	for _, e := range entries {
		if renamed[e.ID] {
			e.UIDL = ""
		}
		b.note(e)
		if !added[e.ID] || removed[e.ID] {
			delete(b.entries, e.ID)
		}
	}
	return nil
}

// wrong plays calls in a new mailbox, and says what is wrong with its listing
// then: "" if nothing is.
func (s *suite) wrong(ctx context.Context, entries []cassandra.Entry, calls []call) string {
	b := s.newBox()
	if err := b.play(ctx, entries, calls); err != nil {
		return "failed: " + err.Error()
	}
	for _, l := range b.lists(b.all()) {
		got, err := read(l.begin(ctx))
		if err != nil {
			return fmt.Sprintf("%s fails: %v", l.name, err)
		}
		if wrong := difference(got, l.want); wrong != "" {
			return l.name + " " + wrong
		}
	}
	return ""
}

// callsInEveryOrder makes every sequence of up to four calls about one message.
func callsInEveryOrder(ctx context.Context, s *suite) {
	sequences := [][]call{nil}
	for i := 0; len(sequences[i]) < 4; i++ { // each is followed by each of the calls
		for _, method := range []string{"Added", "Restore", "Renamed", "Removed"} {
			sequences = append(sequences, append(slices.Clip(sequences[i]), call{method, []int{0}}))
		}
	}
	sequences = sequences[1:]
	at := s.microseconds(time.Hour)
	for _, calls := range sequences {
		e := entry(at)
		e.UIDL = "foreign"
		wrong := s.wrong(ctx, []cassandra.Entry{e}, calls)
		if wrong == "" {
			continue
		}
		broken := ruleCommute
		if slices.ContainsFunc(calls, func(c call) bool { return c.method == "Renamed" }) {
			broken = ruleRenamed
		}
		if slices.ContainsFunc(calls, func(c call) bool { return c.method == "Removed" }) {
			broken = ruleForever
		}
		breaks(broken, "after the calls %v about one message %s", calls, wrong)
	}
}

// callsAtRandom makes calls about several messages, some of the same
// microsecond. Of calls that end badly it leaves out what it can.
func callsAtRandom(ctx context.Context, s *suite) {
	runs := 100
	if testing.Short() {
		runs = 40
	}
	for range runs {
		var entries []cassandra.Entry
		at := s.microseconds(time.Hour)
		for i := range 1 + rand.IntN(20) {
			e := entry(at + int64(i/4))
			if rand.IntN(2) == 0 {
				e.UIDL = fmt.Sprintf("foreign-%d", i)
			}
			entries = append(entries, e)
		}
		most := 1 + rand.IntN(len(entries)) // that one call removes: if all removed many, few would stay
		calls := make([]call, 1+rand.IntN(40))
		for i := range calls {
			switch n := len(entries); rand.IntN(7) {
			case 0, 4:
				calls[i] = call{"Added", []int{rand.IntN(n)}}
			case 1, 2:
				calls[i] = call{"Restore", []int{rand.IntN(n)}}
			case 3:
				calls[i] = call{"Renamed", []int{rand.IntN(n)}}
			default:
				calls[i] = call{"Removed", rand.Perm(n)[:1+rand.IntN(most)]}
			}
		}
		wrong := s.wrong(ctx, entries, calls)
		if wrong == "" {
			continue
		}
		for i := 0; i < len(calls); {
			fewer := slices.Delete(slices.Clone(calls), i, i+1)
			if still := s.wrong(ctx, entries, fewer); still != "" {
				calls, wrong = fewer, still
			} else {
				i++
			}
		}
		breaks(ruleCommute, "after the calls %v about messages of one mailbox %s", calls, wrong)
	}
}

func tooOld(ctx context.Context, s *suite) {
	// The border is found by the minute: it is half of gc_grace_seconds ago.
	age := time.Duration(0)
	for !s.TooOld(lowest(s.microseconds(age))) {
		age += time.Minute
	}
	old, young, future := entry(s.microseconds(age)), entry(s.microseconds(age-2*time.Minute)), entry(s.microseconds(-age))
	b := s.newBox()
	b.touched[old.ID.Bucket()] = true
	if err := b.Added(ctx, b.id, old); !errors.Is(err, cassandra.ErrTooOld) {
		breaks(ruleTooOld, "Added of an ID that is TooOld returned %v", err)
	}
	b.expect(ctx, ruleTooOld, "after Added of an ID that is TooOld")
	b.add(ctx, young)
	b.add(ctx, future)
	b.expect(ctx, ruleTooOld, "after Added of an ID that is nearly TooOld, and of one of the future")
	older := entry(old.ID.Timestamp() - 1000*(24*time.Hour).Microseconds())
	for _, e := range []cassandra.Entry{old, older} {
		b.note(e)
		if err := b.Restore(ctx, b.id, e); err != nil {
			breaks(ruleTooOld, "Restore of an ID that is TooOld failed: %v", err)
		}
	}
	b.expect(ctx, ruleTooOld, "after Restore of IDs that are TooOld")
	b.remove(ctx, old.ID, older.ID, young.ID)
	b.expect(ctx, ruleRemoved, "after IDs that are TooOld were removed")
	if err := b.Restore(ctx, b.id, old); err != nil {
		breaks(ruleTooOld, "Restore of an ID that is TooOld, and was removed, failed: %v", err)
	}
	b.expect(ctx, ruleForever, "after Restore of an ID that is TooOld, and was removed,")
}

package faults

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Histories written by hand. Times are in milliseconds. There is one user, and
// the ID of a message is the name of its body.

func at(ms int) time.Time {
	return time.Date(2026, 1, 1, 3, 0, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
}

func bodyOf(name string) Body { return Body{Writer: "w", Seq: len(name), Hash: name} }

func messageOf(id string) Message {
	m := Message{ID: id, UIDL: "u-" + id, Size: 100}
	if timeBased.MatchString(id) {
		m.UIDL = id
	}
	return m
}

func messagesOf(ids []string) (list []Message) {
	for _, id := range ids {
		list = append(list, messageOf(id))
	}
	return list
}

func op(kind Kind, dc string, call, back int, outcome Outcome) Op {
	o := Op{Kind: kind, DC: dc, Host: dc + "/a", User: "anna", Call: at(call), Outcome: outcome}
	if outcome != Unknown {
		o.Return = at(back)
	}
	return o
}

// delivers returns a delivery that is acknowledged with the name of the body as
// ID.
func delivers(dc string, call, back int, name string) Op {
	return deliversAs(dc, call, back, name, name)
}

func deliversAs(dc string, call, back int, name, id string) Op {
	o := op(Deliver, dc, call, back, OK)
	o.Body, o.Message = bodyOf(name), messageOf(id)
	return o
}

// tries returns a delivery that is not acknowledged.
func tries(dc string, call, back int, name string, outcome Outcome) Op {
	o := op(Deliver, dc, call, back, outcome)
	o.Body = bodyOf(name)
	return o
}

func lists(dc string, call, back int, ids ...string) Op {
	o := op(List, dc, call, back, OK)
	o.Listed = messagesOf(ids)
	return o
}

func reads(dc string, call, back int, id, name string) Op {
	o := op(Retrieve, dc, call, back, OK)
	o.Message, o.Body = messageOf(id), bodyOf(name)
	return o
}

func readsNot(dc string, call, back int, id string, outcome Outcome) Op {
	o := op(Retrieve, dc, call, back, outcome)
	o.Message = messageOf(id)
	return o
}

func removes(dc string, call, back int, outcome Outcome, ids ...string) Op {
	o := op(Remove, dc, call, back, outcome)
	o.Removed = messagesOf(ids)
	return o
}

// change changes something about an operation.
func change(o Op, what func(*Op)) Op {
	what(&o)
	return o
}

// final returns the final passes of two data centres: the listing of each, and
// the retrieval of each message.
func final(dc1, dc2 []string) (ops []Op) {
	for dc, ids := range map[string][]string{"dc1": dc1, "dc2": dc2} {
		ops = append(ops, lists(dc, 10_000, 10_010, ids...))
		for _, id := range ids {
			ops = append(ops, reads(dc, 10_020, 10_030, id, id))
		}
	}
	for i := range ops {
		ops[i].Final = true
	}
	return ops
}

func both(ids ...string) []Op { return final(ids, ids) }

func story(parts ...any) (ops []Op) {
	for _, part := range parts {
		switch part := part.(type) {
		case Op:
			ops = append(ops, part)
		case []Op:
			ops = append(ops, part...)
		}
	}
	return ops
}

func classesOf(r Report) (found []Class) {
	for _, v := range r.Violations {
		if !slices.Contains(found, v.Class) {
			found = append(found, v.Class)
		}
	}
	return found
}

// Each class has histories that show it, and others that just do not.
func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name string
		ops  []Op
		want []Class
	}{
		{"an ordinary life", story(delivers("dc1", 0, 10, "a"), lists("dc1", 20, 30, "a"), lists("dc2", 20, 30, "a"), reads("dc2", 40, 50, "a", "a"),
			removes("dc2", 60, 70, OK, "a"), lists("dc2", 80, 90), lists("dc1", 80, 90), both()), nil},

		// Lost
		{"P1 not in the final pass of its data centre", story(delivers("dc1", 0, 10, "a"), final(nil, []string{"a"})), []Class{Lost, NotLinear}},
		{"P1 not in the final pass of the other one", story(delivers("dc1", 0, 10, "a"), final([]string{"a"}, nil)), []Class{Lost}},
		{"P1 not anywhere", story(delivers("dc1", 0, 10, "a"), lists("dc1", 20, 30, "a"), both()), []Class{Lost, NotLinear}},
		{"gone after a removal that failed", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), both()), nil},
		{"gone after a removal that was killed", story(delivers("dc1", 0, 10, "a"), removes("dc2", 20, 0, Unknown, "a"), both()), nil},
		{"there after a removal that was killed", story(delivers("dc1", 0, 10, "a"), removes("dc2", 20, 0, Unknown, "a"), both("a")), nil},
		{"not there after an attempt that failed", story(tries("dc1", 0, 10, "a", Failed), both()), nil},
		{"not there after an attempt that was killed", story(tries("dc1", 0, 0, "a", Unknown), both()), nil},

		// Missed
		{"P1 a later listing does not have it", story(delivers("dc1", 0, 10, "a"), lists("dc1", 11, 20), both("a")), []Class{Missed, NotLinear}},
		{"a listing began before the acknowledgement", story(delivers("dc1", 0, 10, "a"), lists("dc1", 9, 20), both("a")), nil},
		{"the other data centre lags", story(delivers("dc1", 0, 10, "a"), lists("dc2", 11, 20), both("a")), nil},
		{"P1 it is removed only after the listing that missed it", story(delivers("dc1", 0, 10, "a"), lists("dc1", 11, 20), removes("dc1", 21, 30, OK, "a"), both()), []Class{Missed, NotLinear}},
		{"it may be removed before the listing returns", story(delivers("dc1", 0, 10, "a"), lists("dc1", 11, 20), removes("dc1", 19, 30, OK, "a"), both()), nil},
		{"it may be removed by the other data centre", story(delivers("dc1", 0, 10, "a"), removes("dc2", 11, 20, Failed, "a"), lists("dc1", 12, 20), both()), nil},
		{"a listing that failed says nothing", story(delivers("dc1", 0, 10, "a"), op(List, "dc1", 20, 30, Failed), both("a")), nil},

		// Resurrected
		{"P3 listed after its removal", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, OK, "a"), lists("dc1", 31, 40, "a"), both()), []Class{Resurrected, NotLinear}},
		{"a listing began before the removal returned", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, OK, "a"), lists("dc1", 29, 40, "a"), both()), nil},
		{"the other data centre still has it", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, OK, "a"), lists("dc2", 31, 40, "a"), both()), nil},
		{"P3 in the final pass of the other data centre", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, OK, "a"), final(nil, []string{"a"})), []Class{Resurrected}},
		{"there after a removal that failed", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), lists("dc1", 31, 40, "a"), both("a")), nil},
		{"P4 off the list and back after a removal that failed", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), lists("dc1", 31, 40), lists("dc1", 41, 50, "a"), both()), []Class{Resurrected, NotLinear}},
		{"off one list and on another at the same time", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), lists("dc1", 31, 40), lists("dc1", 39, 50, "a"), both()), nil},
		{"P4 off the list and back in the final pass", story(delivers("dc1", 0, 10, "a"), removes("dc2", 20, 30, Failed, "a"), lists("dc1", 31, 40), both("a")), []Class{Resurrected}},
		{"P3 of an attempt that failed", story(tries("dc1", 0, 10, "a", Failed), lists("dc1", 11, 15, "a"), reads("dc1", 16, 17, "a", "a"), removes("dc1", 20, 30, OK, "a"), lists("dc1", 31, 40, "a"), both()), []Class{Resurrected, NotLinear}},
		{"P3 the second of two removals is the one that was acknowledged", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), removes("dc1", 31, 40, OK, "a"), lists("dc1", 41, 50, "a"), both()), []Class{Resurrected, NotLinear}},

		// Duplicated
		{"two IDs of one acknowledged attempt", story(delivers("dc1", 0, 10, "a"), both("a"), change(reads("dc1", 20, 30, "a2", "a"), func(*Op) {})), []Class{Duplicated}},
		{"two IDs of two acknowledged attempts", story(delivers("dc1", 0, 10, "a"), deliversAs("dc1", 20, 30, "a", "a2"), readFinal("a", "a2")), nil},
		{"two IDs if the first attempt failed", story(tries("dc1", 0, 10, "a", Failed), deliversAs("dc1", 20, 30, "a", "a2"), reads("dc1", 20, 30, "a1", "a"), readFinal("a1", "a2")), nil},
		{"three IDs of three attempts of which two failed", story(tries("dc1", 0, 10, "a", Failed), tries("dc1", 20, 30, "a", Unknown), deliversAs("dc1", 40, 50, "a", "a3"), readFinal("a1", "a2", "a3")), nil},
		{"two IDs if the first attempt was killed", story(tries("dc1", 0, 0, "a", Unknown), deliversAs("dc1", 20, 30, "a", "a2"), reads("dc1", 20, 30, "a1", "a"), readFinal("a1", "a2")), nil},
		{"more IDs than one failure leaves", story(tries("dc1", 0, 10, "a", Failed), readFinal("a1", "a2")), []Class{Duplicated}},

		// Corrupt
		{"P2 torn", story(delivers("dc1", 0, 10, "a"), change(reads("dc1", 20, 30, "a", "a"), func(o *Op) { o.Torn = "99 octets" }), both("a")), []Class{Corrupt}},
		{"P2 the text of another message", story(delivers("dc1", 0, 10, "a"), delivers("dc1", 0, 10, "bb"), reads("dc1", 20, 30, "a", "bb"), both("a", "bb")), []Class{Corrupt}},
		{"two texts under an ID that nobody acknowledged", story(tries("dc1", 0, 10, "a", Failed), tries("dc1", 0, 10, "bb", Failed), reads("dc1", 20, 30, "a", "a"), reads("dc1", 20, 30, "a", "bb"), both("a")), []Class{Corrupt}},
		{"one text twice", story(delivers("dc1", 0, 10, "a"), reads("dc1", 20, 30, "a", "a"), reads("dc2", 20, 30, "a", "a"), both("a")), nil},
		{"P6 two sizes", story(delivers("dc1", 0, 10, "a"), change(lists("dc2", 20, 30, "a"), func(o *Op) { o.Listed[0].Size = 99 }), both("a")), []Class{Corrupt}},
		{"two deliveries acknowledged as one ID", story(delivers("dc1", 0, 10, "a"), deliversAs("dc1", 0, 10, "bb", "a"), both("a")), []Class{Corrupt}},

		// ChangedUIDL
		{"P5 another unique-id in the other data centre", story(delivers("dc1", 0, 10, "a"), change(lists("dc2", 20, 30, "a"), func(o *Op) { o.Listed[0].UIDL = "other" }), both("a")), []Class{ChangedUIDL}},
		{"P5 a unique-id used again", story(delivers("dc1", 0, 10, "a"), removes("dc1", 11, 12, OK, "a"), change(delivers("dc1", 20, 30, "bb"), func(o *Op) { o.Message.UIDL = "u-a" }),
			change(lists("dc1", 40, 50, "bb"), func(o *Op) { o.Listed[0].UIDL = "u-a" })), []Class{ChangedUIDL}},
		{"one unique-id in two mailboxes", story(delivers("dc1", 0, 10, "a"), change(delivers("dc1", 20, 30, "bb"), func(o *Op) { o.User = "ben"; o.Message.UIDL = "u-a" })), nil},
		{"P5 not two, if a removal was told nothing", story(delivers("dc1", 0, 10, "a"), change(removes("dc1", 20, 30, OK, "a"), func(o *Op) { o.Removed[0] = Message{ID: "a"} }), both()), nil},

		{"P5 P6 one message twice on one list", story(delivers("dc1", 0, 10, "a"), lists("dc1", 20, 30, "a", "a"), both("a")), []Class{ChangedUIDL}},
		// Delivered again
		{"an attempt that failed is delivered again", story(tries("dc1", 0, 10, "a", Failed), lists("dc1", 11, 20, oldID), lists("dc1", 21, 30), finallyAgain()), nil},
		{"an attempt that failed is delivered again, and nobody saw it before", story(tries("dc1", 0, 10, "a", Failed), finallyAgain()), nil},
		{"P1 one that was acknowledged is delivered again", story(deliversAs("dc1", 0, 10, "a", oldID), finallyAgain()), []Class{Missed}},
		{"P5 twice on one list", story(tries("dc1", 0, 10, "a", Failed), change(lists("dc1", 20, 30, oldID, newID), func(o *Op) { o.Listed[1].UIDL = oldID }), finallyAgain()), []Class{ChangedUIDL}},

		// WronglyGone
		{"P2 no such message", story(delivers("dc1", 0, 10, "a"), readsNot("dc2", 20, 30, "a", Gone), both("a")), []Class{WronglyGone}},
		{"P2 no such message before it is removed", story(delivers("dc1", 0, 10, "a"), readsNot("dc2", 20, 30, "a", Gone), removes("dc1", 31, 40, OK, "a"), both()), []Class{WronglyGone}},
		{"it may be removed before the answer", story(delivers("dc1", 0, 10, "a"), readsNot("dc2", 20, 30, "a", Gone), removes("dc1", 29, 40, Failed, "a"), both()), nil},
		{"a temporary error", story(delivers("dc1", 0, 10, "a"), readsNot("dc2", 20, 30, "a", Failed), both("a")), nil},
		{"an attempt that failed is undone", story(tries("dc1", 0, 10, "a", Failed), lists("dc1", 11, 12, "a"), readsNot("dc1", 20, 30, "a", Gone), both()), nil},
		{"P2 an attempt that failed, which is there in the end", story(tries("dc1", 0, 10, "a", Failed), lists("dc1", 11, 12, "a"), readsNot("dc1", 20, 30, "a", Gone), both("a")), []Class{WronglyGone}},

		// Unreadable
		{"P2 not to be retrieved in the final pass", story(delivers("dc1", 0, 10, "a"), final([]string{"a"}, nil), finally(lists("dc2", 11_000, 11_010, "a")), finally(readsNot("dc2", 11_020, 11_030, "a", Failed))), []Class{Lost, Unreadable}},
		{"retrieved at the second attempt", story(delivers("dc1", 0, 10, "a"), both("a"), finally(readsNot("dc2", 10_011, 10_012, "a", Failed))), nil},

		// Phantom
		{"nobody delivered anything", story(lists("dc1", 0, 10, "a"), lists("dc1", 20, 30), both()), []Class{Phantom}},
		{"listed before the attempt", story(lists("dc1", 0, 10, "a"), tries("dc1", 11, 20, "a", Failed), both()), []Class{Phantom}},
		{"listed during the attempt, and undone", story(tries("dc1", 0, 20, "a", Failed), lists("dc1", 5, 10, "a"), lists("dc1", 11, 15, "a"), lists("dc1", 30, 40), both()), nil},
		{"a text that nobody delivered", story(tries("dc1", 0, 20, "a", Failed), reads("dc1", 21, 30, "a", "zz"), both()), []Class{Phantom}},
		{"a text that was delivered to another user", story(change(tries("dc1", 0, 20, "a", Failed), func(o *Op) { o.User = "ben" }), reads("dc1", 21, 30, "a", "a"), both()), []Class{Phantom}},
		{"listed more than failed", story(tries("dc1", 0, 20, "a", Failed), lists("dc1", 21, 30, "x", "y"), both()), []Class{Phantom}},
		{"listed as many as failed", story(tries("dc1", 0, 20, "a", Failed), tries("dc2", 0, 20, "bb", Unknown), lists("dc1", 21, 30, "x", "y"), both()), nil},

		// Halfway
		{"P4 a removal that failed is finished in one data centre", story(delivers("dc1", 0, 10, "a"), removes("dc1", 20, 30, Failed, "a"), final(nil, []string{"a"})), []Class{Halfway}},
		{"P4 an attempt that failed is undone in one data centre", story(tries("dc1", 0, 10, "a", Failed), final([]string{"a"}, nil)), []Class{Halfway}},
		{"an attempt that failed is there in the end", story(tries("dc1", 0, 10, "a", Failed), both("a")), nil},

		// NotLinear
		{"an attempt that failed comes, goes and comes", story(tries("dc1", 0, 10, "a", Failed), lists("dc1", 11, 20, "a"), lists("dc1", 21, 30), lists("dc1", 31, 40, "a"), both("a")), []Class{NotLinear}},
		{"an attempt that failed comes and goes", story(tries("dc1", 0, 10, "a", Failed), reads("dc1", 11, 20, "a", "a"), lists("dc1", 11, 20, "a"), lists("dc1", 21, 30), both()), nil},
		{"seen before it was delivered", story(lists("dc1", 0, 10, "a"), delivers("dc1", 11, 20, "a"), both("a")), []Class{NotLinear}},
		{"a listing that misses it returned before another one that has it", story(delivers("dc1", 0, 100, "a"), lists("dc1", 10, 20, "a"), lists("dc1", 30, 40), lists("dc1", 50, 60, "a"), both("a")), []Class{NotLinear}},
		{"listings at the same time, before the acknowledgement", story(delivers("dc1", 0, 100, "a"), lists("dc1", 10, 40, "a"), lists("dc1", 10, 40), both("a")), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := Check(tt.ops, nil)
			require.Equal(t, tt.want, classesOf(report), "%s", report)
			require.Equal(t, len(tt.want) == 0, report.Clean())
			for _, v := range report.Violations {
				require.NotEmpty(t, v.Evidence)
				require.NotEmpty(t, v.Text)
			}
			_, err := json.Marshal(report)
			require.NoError(t, err)
			// The order in which the histories of the hosts are put together
			// does not matter.
			slices.Reverse(tt.ops)
			require.Equal(t, tt.want, classesOf(Check(tt.ops, nil)))
		})
	}
}

func finally(o Op) Op {
	o.Final = true
	return o
}

const (
	oldID = "5d3f0000-9d2c-11f0-8000-0123456789ab"
	newID = "6d3f0000-9d2c-11f0-8000-0123456789ab"
)

// finallyAgain returns a final pass of a message with the body "a" that was
// delivered again: its unique-id is its first ID, the only one that POP3 shows.
func finallyAgain() (ops []Op) {
	for _, dc := range []string{"dc1", "dc2"} {
		for _, id := range []string{newID, oldID} {
			listed := finally(lists(dc, 10_000, 10_010, id))
			listed.Listed[0].UIDL = oldID
			read := finally(reads(dc, 10_020, 10_030, id, "a"))
			read.Message = listed.Listed[0]
			ops = append(ops, listed, read)
		}
	}
	return ops
}

// readFinal returns a final pass of messages that all have the body "a".
func readFinal(ids ...string) (ops []Op) {
	for _, dc := range []string{"dc1", "dc2"} {
		ops = append(ops, finally(lists(dc, 10_000, 10_010, ids...)))
		for _, id := range ids {
			ops = append(ops, finally(reads(dc, 10_020, 10_030, id, "a")))
		}
	}
	return ops
}

// What is no violation is counted.
func TestCheckCounts(t *testing.T) {
	report := Check(story(
		delivers("dc1", 0, 10, "a"), lists("dc2", 20, 30), lists("dc2", 50, 60), lists("dc2", 90, 95, "a"),
		delivers("dc1", 0, 10, "bb"), lists("dc2", 15, 16, "bb"), removes("dc1", 40, 42, OK, "bb"), lists("dc2", 45, 46, "bb"),
		delivers("dc1", 300, 310, "ccc"),
		tries("dc1", 0, 10, "dddd", Failed), deliversAs("dc1", 400, 410, "dddd", "dddd"), reads("dc1", 420, 430, "d0", "dddd"),
		delivers("dc2", 400, 410, "eeeee"), removes("dc2", 420, 0, Unknown, "eeeee"),
		finally(lists("dc1", 500, 510, "a", "ccc", "dddd")), finally(reads("dc1", 520, 521, "a", "a")), finally(reads("dc1", 520, 521, "ccc", "ccc")),
		finally(lists("dc2", 500, 510, "a", "ccc", "dddd")), finally(reads("dc2", 520, 521, "a", "a")), finally(reads("dc2", 520, 521, "ccc", "ccc")),
		finally(reads("dc2", 520, 521, "dddd", "dddd")),
	), nil)
	require.Empty(t, report.Violations, "%s", report)
	require.Equal(t, 5, report.Messages)
	require.Equal(t, 1, report.Removed)
	require.Equal(t, 1, report.InDoubt)
	require.Equal(t, 1, report.Uncertain)
	require.Equal(t, 1, report.Copies)
	require.Equal(t, 2, report.NeverRead, "ccc and dddd")
	require.Equal(t, Staleness{Compared: 2, Stale: 2, Median: 10 * time.Millisecond, Max: 40 * time.Millisecond}, report.Stale)
	require.Equal(t, Staleness{Compared: 1, Stale: 1, Median: 3 * time.Millisecond, Max: 3 * time.Millisecond}, report.StaleRemovals)
	require.Equal(t, []string{"anna in dc1: dddd listed and not retrieved"}, report.Unverified)
	require.Equal(t, 6, report.Linear.Checked)
	require.Equal(t, 1, report.Ops[Deliver][Failed])
	require.Equal(t, 1, report.Ops[Remove][Unknown])
	require.Equal(t, 5, report.Ops[List][OK])
}

// What was not available, and for how long workers waited.
func TestCheckAvailability(t *testing.T) {
	var ops []Op
	add := func(kind Kind, call, back int, outcome Outcome) {
		ops = append(ops, op(kind, "dc1", call, back, outcome))
	}
	add(Deliver, 0, 10, OK)
	add(Deliver, 990, 1010, OK) // no worker waited in between
	add(Deliver, 1020, 1500, Failed)
	add(Deliver, 1510, 1900, Failed)
	add(List, 1100, 1110, OK)
	add(Deliver, 1910, 2200, OK)
	add(List, 2100, 2110, OK)
	add(Retrieve, 3000, 3300, Failed)
	add(Retrieve, 3310, 0, Unknown)
	ops = append(ops, finally(op(List, "dc1", 9000, 9010, OK)))
	faults := []Fault{{Nemesis: "kill", From: at(1000), To: at(2000)}, {Nemesis: "cut", From: at(1800), To: at(1805)}, {Nemesis: "cut", From: at(8000)}}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	require.Equal(t, []Availability{
		{Nemesis: "cut", DC: "dc1", Faults: 2, Ops: 1, Failed: 1, Longest: map[Kind]time.Duration{Deliver: ms(1180)}},
		{Nemesis: "kill", DC: "dc1", Faults: 1, Ops: 5, Failed: 2, Longest: map[Kind]time.Duration{Deliver: ms(1180), List: ms(10)}},
		{Nemesis: "quiet", DC: "dc1", Ops: 4, Failed: 2, Longest: map[Kind]time.Duration{Deliver: ms(10), List: ms(10), Retrieve: ms(310)}},
	}, availability(ops, faults))
}

package model

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// opening is the protocol as it has to be, with exact clocks.
func opening(replicas, provers, repairers int) openings {
	return openings{
		replicas: replicas, provers: provers, repairers: repairers, rows: all, proof: all,
		horizon: 2, patience: 2, tries: 2, passes: 2, bucketOver: true,
	}
}

// skewed are clocks that are half of H apart.
func skewed(v *openings) { v.horizon, v.skew, v.patience, v.passes = 4, 2, 4, 4 }

// P1: what is mended is listed.
func TestP1OpenedIsListed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		large  bool
		v      openings
		change func(*openings)
	}{
		{"two provers, two repairers", true, opening(1, 2, 2), func(v *openings) { v.bucketOver, v.passes = false, 1 }},
		{"two provers that may delete the row, two repairers", true, opening(1, 2, 2), func(*openings) {}},
		{"two provers, two repairers, no row at first", true, opening(1, 2, 2), func(v *openings) { v.rowDeleted, v.passes = true, 1 }},
		{"clocks half of H apart, a patience of the other half", true, opening(1, 2, 1), func(v *openings) { skewed(v); v.patience, v.passes = 2, 3 }},
		{"three replicas", false, opening(3, 1, 1), func(*openings) {}},
		{"three replicas, two repairers", true, opening(3, 1, 2), func(v *openings) { v.tries, v.passes = 1, 0 }},
		{"three replicas, two provers", false, opening(3, 2, 1), func(v *openings) { v.tries, v.passes = 1, 0 }},
		{"three replicas, one loss", true, opening(3, 1, 1), func(v *openings) { v.losses = 1 }},
		{"three replicas, one loss, the bucket's time is not over", false, opening(3, 1, 1), func(v *openings) {
			v.bucketOver, v.losses, v.tries, v.passes = false, 1, 1, 0
		}},
		{"a row at EACH_QUORUM is enough if no replica forgets", false, opening(3, 1, 1), func(v *openings) { v.rows = eachQuorum }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			skipLarge(t, c.large)
			never(t, with(c.v, c.change).model())
		})
	}
}

// P1: each of these hides a message that was mended.
func TestP1WrongOpeningsHide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		bad    string
		v      openings
		change func(*openings)
	}{
		{"a prover that reads the memberships first", "", opening(1, 1, 1), func(v *openings) { v.membershipsFirst, v.bucketOver = true, false }},
		{"`opened` before the membership", "", opening(1, 1, 1), func(v *openings) { v.openedFirst = true }},
		{"the list again, instead of `opened`", "", opening(1, 1, 1), func(v *openings) { v.listAgain = true }},
		{"a repairer that waits however long", "", opening(1, 1, 1), func(v *openings) { v.patience = 9 }},
		{"no read repair", "message 2 is mended, and not listed", opening(3, 1, 2), func(v *openings) {
			v.noReadRepair, v.tries, v.passes = true, 1, 0
		}},
		{"the row at EACH_QUORUM, one loss", "", opening(3, 1, 1), func(v *openings) { v.rows, v.losses, v.tries = eachQuorum, 1, 1 }},
		{"the proof at EACH_QUORUM, one loss", "", opening(3, 1, 1), func(v *openings) { v.proof, v.losses, v.tries = eachQuorum, 1, 1 }},
		{"two losses", "", opening(3, 1, 1), func(v *openings) { v.losses = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.bad == "" {
				c.bad = "message 1 is mended, and not listed"
			}
			fails(t, with(c.v, c.change).model(), c.bad)
		})
	}
}

// P1: a finding about the design. A repairer that begins again after H is too
// patient if clocks may be apart: what it takes and what the clocks differ by
// have to be less than H together.
func TestP1PatienceOfHHidesIfClocksAreApart(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"message 1 arrives at R1",
		"repairer 1 has put back its message",
		"repairer 1 reads opened 0, and chooses 6",
		"it is 7 o'clock",
		"it is 8 o'clock",
		"prover 1 begins, its end is 6",
		"prover 1 reads the row at R1",
		"opened 6 of repairer 1 arrives at R1",
		"repairer 1 reads that it is there: mended",
		"prover 1 has read opened 0, and builds on the seal",
		"prover 1 reads R1: nothing",
		"prover 1 deletes the row at 6",
		"the deletion of prover 1 arrives at R1",
	}, fails(t, with(opening(1, 1, 1), skewed).model(), "message 1 is mended, and not listed"))
}

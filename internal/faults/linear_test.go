package faults

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The time limit: what porcupine had no time for does not count as right.
func TestLinearHasATimeLimit(t *testing.T) {
	ops := story(delivers("dc1", 0, 10, "a"), delivers("dc1", 0, 10, "bb"), both("a", "bb"))
	require.Equal(t, Linear{Unknown: 2}, check(ops, nil, nil, 0).Linear)
	require.Equal(t, Linear{Checked: 2}, Check(ops, nil).Linear)
}

// A message that another data centre removed, and one whose data centre is not
// known, are left out, and counted.
func TestLinearSkips(t *testing.T) {
	ops := story(delivers("dc1", 0, 10, "a"), removes("dc2", 20, 30, OK, "a"), tries("dc1", 0, 10, "bb", Failed), lists("dc1", 5, 10, "a", "bb"), both())
	require.Equal(t, Linear{Skipped: 2}, Check(ops, nil).Linear)
}

// The listings that are left out do not change the verdict.
func TestLinearLeavesOutWhatFollows(t *testing.T) {
	verdicts := make(map[porcupine.CheckResult]int)
	fewer := 0
	rapid.Check(t, func(t *rapid.T) {
		span := func(name string) (call, back int) {
			call = rapid.IntRange(0, 30).Draw(t, name)
			return call, call + rapid.IntRange(1, 10).Draw(t, name+" took")
		}
		outcome := rapid.SampledFrom([]Outcome{OK, OK, Failed})
		call, back := span("deliver")
		deliver := tries("dc1", call, back, "a", Failed)
		if outcome.Draw(t, "deliver") == OK {
			deliver = delivers("dc1", call, back, "a")
		}
		ops := []Op{deliver, reads("dc1", 100, 101, "a", "a")}
		for range rapid.IntRange(0, 2).Draw(t, "removals") {
			call, back := span("remove")
			ops = append(ops, removes("dc1", call, back, outcome.Draw(t, "removed"), "a"))
		}
		for range rapid.IntRange(0, 12).Draw(t, "listings") {
			call, back := span("list")
			if rapid.Bool().Draw(t, "has") {
				ops = append(ops, lists("dc1", call, back, "a"))
			} else {
				ops = append(ops, lists("dc1", call, back))
			}
		}
		c := &checker{history: newHistory(ops)}
		l := c.lives[0]
		dc, deliveries := c.home(l)
		require.Equal(t, "dc1", dc)
		_, few := c.steps(l, dc, deliveries)
		all := slices.DeleteFunc(slices.Clone(few), func(o porcupine.Operation) bool { return o.Input == see || o.Input == seeNone })
		for _, list := range c.listings[place{"dc1", "anna"}] {
			input := seeNone
			if list.has[l] {
				input = see
			}
			all = append(all, porcupine.Operation{Input: input, Call: list.Call.UnixNano(), Return: list.Return.UnixNano()})
		}
		want := porcupine.CheckOperationsTimeout(message, all, linearLimit)
		require.Equal(t, want, porcupine.CheckOperationsTimeout(message, few, linearLimit))
		verdicts[want]++
		fewer += len(all) - len(few)
	})
	require.Positive(t, verdicts[porcupine.Ok])
	require.Positive(t, verdicts[porcupine.Illegal])
	require.Positive(t, fewer)
}

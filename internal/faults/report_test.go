package faults

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// The report as an engineer reads it in the middle of the night.
func TestReportText(t *testing.T) {
	ops := story(delivers("dc1", 0, 10, "a"), delivers("dc1", 10, 30, "bb"), lists("dc1", 40, 45, "a", "bb"),
		tries("dc1", 100, 350, "ccc", Failed), removes("dc1", 400, 410, OK, "bb"), lists("dc1", 420, 425, "bb"), both("a"))
	ops[3].Error = "timeout"
	report := Check(ops, []Fault{{Nemesis: "kill a node", Target: "dc1-2", From: at(90), To: at(300)}})
	require.Equal(t, textOfReport, "\n"+report.String())
	require.Len(t, report.Of(Resurrected), 1)

	require.Contains(t, Check(ops[:3], nil).String(), "nothing is wrong, and 1 NOT VERIFIED")

	for i := range shownOfAClass + 3 {
		ops = append(ops, delivers("dc1", 20, 30, fmt.Sprintf("lost%d", i)))
	}
	text := Check(ops, nil).String()
	require.Regexp(t, `(?m)^lost +13$`, text)
	require.Contains(t, text, "\nLOST: 16 more\n", "in each of two data centres")
}

const textOfReport = `
4 VIOLATIONS: 6 operations, faults done: 1, 2026-01-01 03:00:00 to 03:00:10.030 (10.03s)

operation  ok  failed  unknown  gone
deliver    2   1       0        0
list       2   0       0        0
retrieve   0   0       0        0
remove     1   0       0        0

lost              0
missed            1
resurrected       1
corrupt           0
gone              0
unreadable        0
UIDL changed      0
duplicated        0
phantom           0
halfway           0
not linearizable  2

acknowledged                2  1 removed, 0 may be
not acknowledged, but seen  0  allowed
second copies               0  allowed: an attempt was not acknowledged
delivered again             0  allowed, of what was not acknowledged
excused                     0  missed or back, after a replica forgot and before the cluster was repaired
never read                  0  there at the end, and not listed before
stale                       0  of 0; median 0s, max 0s
stale removals              0  of 1; median 0s, max 0s
checked by porcupine        2  0 unknown for lack of time, 0 left out: of more than one data centre, mostly

MISSED: acknowledged, not removed, and not in what dc1 listed later, once
  user anna, message a, text w #1 a
  03:00:00.000  +10ms  dc1/a #0  deliver  ok  acknowledged
  03:00:00.040  +5ms   dc1/a #0  list     ok  has it, the last one in dc1 that does
  03:00:00.420  +5ms   dc1/a #0  list     ok  does not have it, the first one that should

RESURRECTED: its removal was acknowledged, and it is in what dc1 listed later, once
  user anna, message bb, text w #2 bb
  03:00:00.010  +20ms  dc1/a #0  deliver  ok  acknowledged
  03:00:00.400  +10ms  dc1/a #0  remove   ok  acknowledged
  03:00:00.420  +5ms   dc1/a #0  list     ok  has it, the first one that should not

NOT LINEARIZABLE: no order explains what dc1 showed of it
  user anna, message a, text w #1 a
  03:00:00.000  +10ms  dc1/a #0  deliver     ok  adds it
  03:00:00.040  +5ms   dc1/a #0  list        ok  has it
  03:00:00.420  +5ms   dc1/a #0  list        ok  does not have it
  03:00:10.000  +10ms  dc1/a #0  final list  ok  has it

NOT LINEARIZABLE: no order explains what dc1 showed of it
  user anna, message bb, text w #2 bb
  03:00:00.010  +20ms  dc1/a #0  deliver  ok  adds it
  03:00:00.040  +5ms   dc1/a #0  list     ok  has it
  03:00:00.400  +10ms  dc1/a #0  remove   ok  removes it
  03:00:00.420  +5ms   dc1/a #0  list     ok  has it

Availability, and the longest time without a success
nemesis      faults  data centre  operations  failed           deliver  list  retrieve  remove
kill a node  1       dc1          1           1       100.0 %  250ms    -     -         -
quiet        0       dc1          5           0       0.0 %    20ms     5ms   -         10ms
`

package faults

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A replica of dc1 forgets, from 100 to 110, what had not returned before 50.
// The cluster is repaired at 200. Until then listings of dc1 may miss a message,
// or have one that was removed. Nothing else may.
func TestCheckWithADoubt(t *testing.T) {
	doubt := Doubt{DC: "dc1", From: at(100), Since: at(50), Until: at(110), To: at(200)}
	forever := doubt
	forever.To = Doubt{}.To
	gone := []Class{Resurrected, NotLinear}
	for _, tt := range []struct {
		name  string
		doubt Doubt
		ops   []Op
		want  []Class
	}{
		{"it is missed for a time", doubt, story(delivers("dc1", 60, 70, "a"), lists("dc1", 80, 90, "a"), lists("dc1", 150, 160), lists("dc1", 210, 220, "a"), both("a")), nil},
		{"a listing that was under way", doubt, story(delivers("dc1", 60, 70, "a"), lists("dc1", 90, 105), lists("dc1", 195, 210), both("a")), nil},
		{"P1 a listing before it", doubt, story(delivers("dc1", 60, 70, "a"), lists("dc1", 80, 90), both("a")), []Class{Missed, NotLinear}},
		{"P1 a listing after it", doubt, story(delivers("dc1", 60, 70, "a"), lists("dc1", 210, 220), both("a")), []Class{Missed, NotLinear}},
		{"P1 it was delivered long before", doubt, story(delivers("dc1", 30, 40, "a"), lists("dc1", 150, 160), both("a")), []Class{Missed, NotLinear}},
		{"P1 it was delivered later", doubt, story(delivers("dc1", 120, 130, "a"), lists("dc1", 150, 160), both("a")), []Class{Missed, NotLinear}},
		{"P1 the other data centre has forgotten nothing", doubt, story(delivers("dc2", 60, 70, "a"), lists("dc2", 150, 160), both("a")), []Class{Missed, NotLinear}},
		{"P1 it is missing at the end", forever, story(delivers("dc1", 60, 70, "a"), lists("dc1", 150, 160), both()), []Class{Lost, NotLinear}},
		{"a removed one is back for a time", doubt, story(delivers("dc1", 0, 10, "a"), removes("dc1", 60, 70, OK, "a"), lists("dc1", 80, 90), lists("dc1", 150, 160, "a"), lists("dc1", 210, 220), both()), nil},
		{"P3 and stays", doubt, story(delivers("dc1", 0, 10, "a"), removes("dc1", 60, 70, OK, "a"), lists("dc1", 150, 160, "a"), lists("dc1", 210, 220, "a"), both()), gone},
		{"P3 it was removed long before", doubt, story(delivers("dc1", 0, 10, "a"), removes("dc1", 30, 40, OK, "a"), lists("dc1", 150, 160, "a"), both()), gone},
		{"P3 it was removed later", doubt, story(delivers("dc1", 0, 10, "a"), removes("dc1", 120, 130, OK, "a"), lists("dc1", 150, 160, "a"), both()), gone},
		{"an attempt that failed comes, goes and comes", doubt, story(tries("dc1", 60, 70, "a", Failed), lists("dc1", 80, 90, "a"), reads("dc1", 91, 95, "a", "a"), lists("dc1", 150, 160), lists("dc1", 210, 220, "a"), both("a")), nil},
		{"P2 it is called gone", doubt, story(delivers("dc1", 60, 70, "a"), readsNot("dc1", 150, 160, "a", Gone), both("a")), []Class{WronglyGone}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := Check(tt.ops, nil, tt.doubt)
			require.Equal(t, tt.want, classesOf(report), "%s", report)
			if tt.want == nil && strings.Contains(tt.name, "for a time") {
				require.Equal(t, 1, report.Excused)
			}
		})
	}
}

package faults

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

func twoCentres() stage {
	return stageOf([]cassandratest.DC{{Name: "dc1", Nodes: 3}, {Name: "dc2", Nodes: 1}})
}

// texts returns the steps as text, with all their details.
func texts(t *testing.T, seed uint64, length time.Duration, s stage, names ...string) (list []string) {
	steps, err := schedule(seed, length, s, names)
	require.NoError(t, err)
	for _, s := range steps {
		text := s.String()
		for _, f := range s.faults {
			text += fmt.Sprint(" ", f.dice)
		}
		list = append(list, text)
	}
	return list
}

func TestScheduleIsOfTheSeedAlone(t *testing.T) {
	seen := make(map[string]bool)
	for seed := range uint64(50) {
		once, again := texts(t, seed, time.Hour, twoCentres()), texts(t, seed, time.Hour, twoCentres())
		require.Equal(t, once, again)
		text := strings.Join(once, "\n")
		require.False(t, seen[text], "two seeds, one schedule")
		seen[text] = true
	}
}

// Each nemesis comes once alone, before several come at once. Several never
// take hold of the same kind of thing, since two could break what a promise
// rests on.
func TestScheduleHasEachNemesisAloneAndThenSeveral(t *testing.T) {
	require.GreaterOrEqual(t, len(nemeses), 10)
	for seed := range uint64(200) {
		steps, err := schedule(seed, time.Hour, twoCentres(), nil)
		require.NoError(t, err)
		alone := make(map[string]int)
		mixed, used := 0, time.Duration(0)
		for i, s := range steps {
			require.GreaterOrEqual(t, s.lasts, shortest)
			require.LessOrEqual(t, s.lasts, longest)
			used += s.lasts
			var held thing
			for _, f := range s.faults {
				used += f.costs
				require.Zero(t, held&f.holds, "%s", s)
				held |= f.holds
			}
			if i < len(nemeses) {
				require.Len(t, s.faults, 1)
				alone[s.faults[0].name]++
			} else if len(s.faults) > 1 {
				mixed++
			}
		}
		require.Len(t, alone, len(nemeses))
		require.Greater(t, mixed, 20)
		require.GreaterOrEqual(t, used, time.Hour)
		require.Less(t, used, time.Hour+3*time.Minute)
	}
}

// A nemesis that runs nodetool against every node is alone with the nodes:
// nodetool gets no answer from a node that is down, and waits for one that is
// stopped.
func TestNobodyHurtsNodesThatAreOperated(t *testing.T) {
	for _, n := range nemeses {
		if slices.Contains([]string{"drop-hints", "repair", "compact"}, n.name) {
			require.NotZero(t, n.holds&nodes, n.name)
		}
	}
}

func TestScheduleAimsAtWhatThereIs(t *testing.T) {
	known := make(map[string]bool)
	for _, name := range strings.Fields("dc1 dc2 dc1-1 dc1-2 dc1-3 dc2-1 dc1/a dc1/b dc2/a dc2/b") {
		known[name] = true
	}
	known["dc1 dc2"], known["dc2 dc1"], known[""] = true, true, true
	hit := make(map[string]bool)
	for seed := range uint64(20) {
		steps, err := schedule(seed, time.Hour, twoCentres(), nil)
		require.NoError(t, err)
		for _, s := range steps {
			for _, f := range s.faults {
				require.Contains(t, known, f.target, "%s", s)
				hit[f.target] = true
			}
		}
	}
	require.Equal(t, known, hit, "nobody is spared")
}

func TestScheduleOfSome(t *testing.T) {
	for _, text := range texts(t, 1, 10*time.Minute, twoCentres(), "cut-link", "clock-frozen") {
		require.True(t, strings.HasPrefix(text, "cut-link") || strings.HasPrefix(text, "clock-frozen"), text)
	}
	one := stageOf([]cassandratest.DC{{Name: "dc1", Nodes: 3}})
	for _, text := range texts(t, 1, time.Hour, one) {
		require.NotContains(t, text, "link")
		require.NotContains(t, text, "hints")
	}
	_, err := schedule(1, time.Hour, one, []string{"cut-link"})
	require.ErrorContains(t, err, "two data centres")
	_, err = schedule(1, time.Hour, one, []string{"flood"})
	require.ErrorContains(t, err, `"flood": there are kill-node, `)
}

// The clock of a host obeys orders.
func TestClock(t *testing.T) {
	right := time.Unix(1000, 0)
	c := &clock{right: func() time.Time { return right }}
	for _, step := range []struct {
		order string
		want  int64
	}{{"right", 1001}, {"+90s", 1092}, {"-2m", 883}, {"freeze", 884}, {"", 884}, {"right", 1006}} {
		right = right.Add(time.Second)
		if step.order != "" {
			require.NoError(t, c.set(step.order))
		}
		want := step.want
		require.Equal(t, want, c.now().Unix(), step.order)
	}
	require.Error(t, c.set("back"))
}

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
	steps, _, err := schedule(seed, length, s, names)
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
	const some = 19 // the other one needs a data centre of four nodes
	require.Len(t, nemeses, some+1)
	for seed := range uint64(200) {
		steps, _, err := schedule(seed, time.Hour, twoCentres(), nil)
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
			if i < some {
				require.Len(t, s.faults, 1)
				alone[s.faults[0].name]++
			} else if len(s.faults) > 1 {
				mixed++
			}
		}
		require.Len(t, alone, some)
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
		if slices.Contains([]string{"drop-hints", "repair", "compact", "replace-node", "restore-snapshot", "rolling-restart", "without-hints", "fewer-replicas", "leave-and-join"}, n.name) {
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
		steps, _, err := schedule(seed, time.Hour, twoCentres(), nil)
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
		require.NotContains(t, text, "drop-hints")
	}
	_, _, err := schedule(1, time.Hour, one, []string{"cut-link"})
	require.ErrorContains(t, err, "two data centres")
	_, _, err = schedule(1, time.Hour, one, []string{"flood"})
	require.ErrorContains(t, err, `"flood": there are kill-node, `)
}

// A node forgets only where others have acknowledged the same, and two never do
// in one step.
func TestScheduleLetsOneForget(t *testing.T) {
	forgetting := []string{"replace-node", "restore-snapshot", "fewer-replicas"}
	seen := make(map[string]bool)
	for seed := range uint64(50) {
		steps, left, err := schedule(seed, time.Hour, twoCentres(), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"leave-and-join needs a data centre of four nodes"}, left)
		for _, s := range steps {
			forget := 0
			for _, f := range s.faults {
				if slices.Contains(forgetting, f.name) {
					seen[f.name] = true
					forget++
					require.Contains(t, f.target, "dc1", "%s", s)
				}
				if f.name == "kill-node" {
					forget++
				}
			}
			require.LessOrEqual(t, forget, 1, "%s", s)
		}
	}
	require.Len(t, seen, len(forgetting))
	small := stageOf([]cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 2}})
	steps, left, err := schedule(1, time.Hour, small, nil)
	require.NoError(t, err)
	require.Len(t, left, len(forgetting)+1)
	for i, name := range forgetting {
		require.Equal(t, name+" needs a data centre of three nodes", left[i])
		require.False(t, slices.ContainsFunc(steps, func(s step) bool { return s.faults[0].name == name }))
	}
	_, _, err = schedule(1, time.Hour, small, forgetting[:1])
	require.ErrorContains(t, err, "replace-node needs a data centre of three nodes")
}

// A run of two minutes has one of the nemeses that take long, and none of those
// that take very long. It says which it leaves out. One that is asked for by
// name is there.
func TestScheduleOfAShortRun(t *testing.T) {
	had := make(map[string]bool)
	for seed := range uint64(50) {
		steps, left, err := schedule(seed, 2*time.Minute, twoCentres(), nil)
		require.NoError(t, err)
		slow := 0
		for _, s := range steps {
			if s.faults[0].costs > 24*time.Second {
				slow++
				had[s.faults[0].name] = true
			}
		}
		require.Equal(t, 1, slow)
		require.Len(t, left, 5)
	}
	require.Len(t, had, 3)
	require.True(t, strings.HasPrefix(texts(t, 1, time.Second, twoCentres(), "rolling-restart")[0], "rolling-restart"))
}

// The clock of a host obeys orders.
func TestClock(t *testing.T) {
	right := time.Unix(1000, 0)
	c := &clock{right: func() time.Time { return right }}
	for _, step := range []struct {
		order string
		want  int64
	}{{"right", 1001}, {"+90s", 1092}, {"-2m", 883}, {"freeze", 884}, {"", 884}, {"1970-01-01T00:15:00.5Z", 900}, {"", 900}, {"right", 1008}} {
		right = right.Add(time.Second)
		if step.order != "" {
			require.NoError(t, c.set(step.order))
		}
		want := step.want
		require.Equal(t, want, c.now().Unix(), step.order)
	}
	require.Error(t, c.set("back"))
}

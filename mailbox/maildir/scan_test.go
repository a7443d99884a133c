package maildir

import (
	"context"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func entryOf(name string, place place) entry {
	id := idOf(name)
	return entry{time: timeOf(id), name: name, idLength: uint16(len(id)), place: place}
}

func TestMergeKeepsWhatIsNotThereAnyMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) map[string]entry {
			byID := map[string]entry{}
			for _, n := range rapid.SliceOfDistinct(rapid.IntRange(1, 20), rapid.ID).Draw(t, label) {
				e := entryOf(strconv.Itoa(n%7)+".M"+strconv.Itoa(n)+".host:2,"+label, inCur)
				byID[e.id()] = e
			}
			return byID
		}
		sorted := func(byID map[string]entry) []entry {
			var entries []entry
			for _, e := range byID {
				entries = append(entries, e)
			}
			slices.SortFunc(entries, compareEntries)
			return entries
		}
		old, newer := draw("old"), draw("newer")
		settled := rapid.Bool().Draw(t, "settled")

		want := map[string]entry{}
		for id, e := range old {
			e.gone = settled
			want[id] = e
		}
		for id, e := range newer {
			want[id] = e
		}
		require.Equal(t, sorted(want), append([]entry(nil), merge(sorted(old), sorted(newer), settled && len(old) > 0)...))
	})
}

// A reading counts as settled only if a change would have shown in the time of
// cur, even if the kernel's clock is behind or was set.
func TestAReadingIsSettledOnlyWhenAChangeWouldShow(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "hello")
	folder, err := store.openFolder("bob")
	require.NoError(t, err)
	defer folder.close()

	for name, step := range map[string]struct {
		cur, new time.Duration // since then
		whole    [places]bool  // whether that time has no fraction
		settled  bool
	}{
		"an hour ago":                       {cur: time.Hour, settled: true},
		"just now":                          {},
		"in an hour":                        {cur: -time.Hour, settled: true},
		"just now, no fractions":            {whole: [places]bool{true, true}},
		"four seconds ago, no fractions":    {cur: 4 * time.Second, whole: [places]bool{true, true}, settled: true},
		"in four seconds, no fractions":     {cur: -4 * time.Second, whole: [places]bool{true, true}, settled: true},
		"a second ago, no fraction in cur":  {cur: time.Second, whole: [places]bool{inCur: true}, settled: true},
		"a second ago, no fraction in new":  {cur: time.Second, whole: [places]bool{inNew: true}, settled: true},
		"a second ago, a fraction in both":  {cur: time.Second, settled: true},
		"an hour ago, no fractions at all":  {cur: time.Hour, new: time.Hour, whole: [places]bool{true, true}, settled: true},
		"an hour ago, new has changed, too": {cur: time.Hour, whole: [places]bool{true, true}, settled: true},
	} {
		t.Run(name, func(t *testing.T) {
			touch := func() {
				now := time.Now()
				for p, age := range [places]time.Duration{inCur: step.cur, inNew: step.new} {
					changed := now.Add(-age)
					if step.whole[p] {
						changed = changed.Truncate(time.Second)
					} else if changed.Nanosecond() == 0 {
						changed = changed.Add(1)
					}
					require.NoError(t, os.Chtimes(path(store, "bob", placeNames[p]), changed, changed))
				}
			}
			settled := !step.settled
			for range 100 { // a slow machine may take as long as the grain
				touch()
				var entries []entry
				var err error
				entries, settled, err = folder.glance(t.Context())
				require.NoError(t, err)
				require.Len(t, entries, 1)
				if settled == step.settled {
					break
				}
			}
			require.Equal(t, step.settled, settled)
			_, settled, err := folder.scan(t.Context())
			require.NoError(t, err)
			require.True(t, settled, "a scan waits")
		})
	}
}

// askedContext calls a function whenever it is asked whether it has ended.
type askedContext struct {
	context.Context
	asked func()
}

func (c askedContext) Err() error {
	c.asked()
	return c.Context.Err()
}

func TestAReadingDuringWhichCurChangesIsNotSettled(t *testing.T) {
	store := newStore(t, Options{})
	put(t, store, "bob", "cur", "1.M1.host:2,", "hello")
	hourAgo := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(path(store, "bob", "cur"), hourAgo, hourAgo))
	folder, err := store.openFolder("bob")
	require.NoError(t, err)
	defer folder.close()
	flags := ""
	_, settled, err := folder.glance(askedContext{t.Context(), func() {
		before := path(store, "bob", "cur", "1.M1.host:2,"+flags)
		flags += "S"
		require.NoError(t, os.Rename(before, path(store, "bob", "cur", "1.M1.host:2,"+flags)))
	}})
	require.NoError(t, err)
	require.False(t, settled)
}

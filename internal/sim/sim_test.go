package sim

import (
	"context"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/internal/parallel"
)

var (
	flagLength    = flag.Duration("sim.length", 5*time.Second, "how long to search")
	flagSeed      = flag.Uint64("sim.seed", 0, "the seed of the first history; 0 draws one")
	flagMost      = flag.Int("sim.most", 0, "how many histories each process plays at most; 0 means as many as there is time for")
	flagRare      = flag.Bool("sim.rare", false, "also look for the planted bugs that are rare")
	flagWithout   = flag.String("sim.without", "", "leave out these hazards, as clone,import, and these classes of violations")
	flagKeep      = flag.Int("sim.keep", 3, "how many kinds of violations each process finds before its search ends")
	flagProcesses = flag.Int("sim.processes", runtime.GOMAXPROCS(0), "how many processes search")
	flagHistory   = flag.String("sim.history", "", "plays the history of this file")
)

// task is the task of a process that searches.
type task struct {
	Search Search
	File   string // for the result
}

// mine is the task of this process, if it is one that searches.
var mine *task

func TestMain(m *testing.M) {
	debug.SetGCPercent(800) // histories are short, and leave little
	debug.SetMemoryLimit(1 << 30)
	child.Main("search", func(t task) error {
		mine = &t
		if code := m.Run(); code != 0 {
			return fmt.Errorf("the search ended with status %d", code)
		}
		return nil
	})
	os.Exit(m.Run())
}

// everything returns a menu of all hazards.
func everything() map[string]bool {
	menu := make(map[string]bool)
	for _, verb := range verbs {
		menu[verb.hazard] = true
	}
	return menu
}

// New histories are searched for violations: for some seconds, or as long as
// -sim.length says.
func TestSearch(t *testing.T) {
	if mine != nil {
		result := mine.Search.Run(t)
		file, err := os.Create(mine.File)
		require.NoError(t, err)
		require.NoError(t, gob.NewEncoder(file).Encode(result))
		require.NoError(t, file.Close())
		return
	}
	s := Search{Seed: *flagSeed, Step: uint64(*flagProcesses), Length: *flagLength, Most: *flagMost, Menu: everything(), Ignore: make(map[faults.Class]bool), Keep: *flagKeep}
	if s.Seed == 0 {
		s.Seed = rand.Uint64() >> 1
	}
	if testing.Short() {
		s.Length = min(s.Length, time.Second)
	}
	for _, name := range strings.Split(*flagWithout, ",") {
		s.Menu[name], s.Ignore[faults.Class(name)] = false, true
	}
	t.Logf("the same again: go test ./internal/sim -run TestSearch -v -sim.seed %d -sim.processes %d -sim.length %s -sim.without=%s", s.Seed, *flagProcesses, s.Length, *flagWithout)
	result := search(t, s)
	t.Logf("%s", result.Coverage)
	t.Logf("%.0f histories a minute", float64(result.Coverage.Histories)/result.Took.Minutes())
	for _, found := range result.Found {
		t.Errorf("%s", found)
	}
}

// search searches with several processes.
func search(t *testing.T, s Search) Result {
	dir := t.TempDir()
	results := make([]Result, *flagProcesses)
	err := parallel.Each(len(results), len(results), func(i int) error {
		of := task{Search: s, File: filepath.Join(dir, fmt.Sprint(i))}
		of.Search.Seed, of.Search.Diary = s.Seed+uint64(i), of.File+".history"
		results[i].Coverage = NewCoverage()
		ctx, cancel := context.WithTimeout(t.Context(), s.Length+time.Minute)
		defer cancel()
		cmd, err := child.Command(ctx, "search", of, "-test.run=^TestSearch$", "-test.timeout=0")
		if errors.Is(err, errors.ErrUnsupported) {
			if i == 0 {
				results[i] = of.Search.Run(t) // alone, since crypto/rand is shared
			}
			return nil
		}
		if err != nil {
			return err
		}
		cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // one goroutine of a history runs at a time
		if text, err := cmd.CombinedOutput(); err != nil {
			history, _ := os.ReadFile(of.Search.Diary)
			return fmt.Errorf("%w: %s\nin the history\n%s", err, text, history)
		}
		file, err := os.Open(of.File)
		if err != nil {
			return err
		}
		defer file.Close()
		return gob.NewDecoder(file).Decode(&results[i])
	})
	assert.NoError(t, err)
	all := Result{Coverage: NewCoverage()}
	for _, r := range results {
		all.Add(r)
	}
	return all
}

package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

var (
	flagDCs     = flag.String("faults.dcs", "dc1:3,dc2:1", "the data centres, and their nodes")
	flagLength  = flag.Duration("faults.length", 2*time.Minute, "how long things break, about; healing comes on top")
	flagSeed    = flag.Uint64("faults.seed", 0, "replays the schedule of a run; 0 makes a new one")
	flagHistory = flag.String("faults.history", "", "checks the history of this directory, which a run has left")
	flagNemesis = flag.String("faults.nemesis", "", "only these, as kill-node,cut-link")
)

func TestMain(m *testing.M) {
	child.Main("host", beHost)
	os.Exit(paxostest.MainNoLeaks(m))
}

// Mail is delivered, listed, retrieved and removed in every data centre,
// through the store and over POP3, while nodes, links, clocks and the library's
// own processes break, one thing at a time and then several. In the end nothing
// is lost (P1), torn (P2), back again (P3), half removed (P4), or under another
// unique-id (P5).
func TestFaults(t *testing.T) {
	slow.Test(t, "minutes of faults on four nodes")
	seed := *flagSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	dcs, err := cassandratest.ParseDCs(*flagDCs)
	require.NoError(t, err)
	var names []string
	if *flagNemesis != "" {
		names = strings.Split(*flagNemesis, ",")
	}
	steps, left, err := schedule(seed, *flagLength, stageOf(dcs), names)
	require.NoError(t, err)
	again := fmt.Sprintf("go test ./internal/faults -run TestFaults -v -timeout 0 -faults.dcs %s -faults.length %s -faults.seed %d", *flagDCs, *flagLength, seed)
	if names != nil {
		again += " -faults.nemesis " + *flagNemesis
	}
	t.Logf("the same schedule again: %s", again)
	for _, why := range left {
		t.Logf("left out: %s", why)
	}
	for i, s := range steps {
		t.Logf("%3d. %s", i+1, s)
	}

	r := play(t, dcs, seed, steps)
	ops, faults, doubts := r.history()
	report := Check(ops, faults, doubts...)
	t.Logf("%s", report)
	assert.Empty(t, r.wrongs)
	assert.Empty(t, report.Unverified)
	assert.True(t, report.Clean(), "violations; the schedule again: %s", again)
	require.NotZero(t, report.Messages)
	require.NotZero(t, report.Removed)
	requireAllWays(t, dcs, ops)
	requireSeals(t, r)
	for _, s := range steps {
		if len(s.faults) == 1 { // for others there may be no time
			f := s.faults[0]
			assert.True(t, slices.ContainsFunc(faults, func(was Fault) bool { return was.Nemesis == f.name && was.Target == f.target }), "%s", s)
		}
	}
}

// play goes through the steps on a cluster of its own, heals it, and looks at
// all mailboxes.
func play(t *testing.T, dcs []cassandratest.DC, seed uint64, steps []step) *run {
	cluster := cassandratest.Start(t, cassandratest.Topology{DCs: dcs, Private: true, WAN: true, Settings: settingsOf(stageOf(dcs))})
	keyspace := cluster.KeyspaceName(t)
	paxostest.Watch(t, cluster, keyspace)
	began := time.Now()
	r, err := newRun(t.Context(), cluster, keyspace, seed, *flagLength, func(format string, args ...any) {
		t.Logf("%6.1fs %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		keep(t, r)
		r.kill()
	})
	require.NoError(t, r.walk(t.Context(), steps, *flagLength))
	stopping, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	require.NoError(t, r.stop(stopping))
	require.NoError(t, r.heal(t.Context()))
	require.NoError(t, r.final(t.Context()))
	return r
}

// requireAllWays requires that each kind of operation has succeeded in each
// data centre: one that never does can never be found wrong.
func requireAllWays(t *testing.T, dcs []cassandratest.DC, ops []Op) {
	for _, dc := range dcs {
		for _, way := range ways {
			assert.True(t, slices.ContainsFunc(ops, func(op Op) bool {
				return op.DC == dc.Name && op.Kind == way.kind && op.POP3 == way.pop3 && op.Outcome == OK && !op.Final
			}), "%s: no %s has ever succeeded, over POP3: %t", dc.Name, way.kind, way.pop3)
		}
	}
}

// requireSeals requires that buckets were sealed, and that mailboxes got
// narrower ones: what no run has, none can find wrong.
func requireSeals(t *testing.T, r *run) {
	tables := storetest.TablesOf(t, r.cluster, r.config(r.cluster.DCs[0].Name))
	rows := tables.CQL.Query(tables.In("SELECT bucket, seal FROM KS.ledger")).Iter()
	sealed, narrow := 0, 0
	var bucket int64
	for seal := []byte(nil); rows.Scan(&bucket, &seal); seal = nil {
		if len(seal) > 0 {
			sealed++
		}
		if bucket != -1 && bucket&3 != 0 {
			narrow++
		}
	}
	require.NoError(t, rows.Close())
	t.Logf("%d buckets are sealed, %d are narrower than 30 days", sealed, narrow)
	require.NotZero(t, sealed)
	require.NotZero(t, narrow)
}

// ways are the kinds of operations, through the library and over POP3.
var ways = []struct {
	kind Kind
	pop3 bool
}{{Deliver, false}, {List, false}, {Retrieve, false}, {Remove, false}, {List, true}, {Retrieve, true}, {Remove, true}}

// keep writes the history of a run that failed into a directory.
func keep(t *testing.T, r *run) {
	if !t.Failed() {
		return
	}
	dir, err := os.MkdirTemp("", "popcask-faults-")
	require.NoError(t, err)
	ops, faults, doubts := r.history()
	require.NoError(t, lines(filepath.Join(dir, "ops.jsonl"), ops))
	require.NoError(t, lines(filepath.Join(dir, "faults.jsonl"), faults))
	require.NoError(t, lines(filepath.Join(dir, "doubts.jsonl"), doubts))
	t.Logf("the history is in %s", dir)
}

// TestHistory checks once more what a run that failed has left.
func TestHistory(t *testing.T) {
	if *flagHistory == "" {
		t.Skip("-faults.history names none")
	}
	ops, err := readLines[Op](filepath.Join(*flagHistory, "ops.jsonl"))
	require.NoError(t, err)
	faults, err := readLines[Fault](filepath.Join(*flagHistory, "faults.jsonl"))
	require.NoError(t, err)
	doubts, err := readLines[Doubt](filepath.Join(*flagHistory, "doubts.jsonl"))
	require.NoError(t, err)
	report := Check(ops, faults, doubts...)
	t.Logf("%s", report)
	require.True(t, report.Clean())
}

func readLines[T any](path string) (values []T, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	decoder := json.NewDecoder(bufio.NewReader(file))
	for {
		var v T
		if err := decoder.Decode(&v); err == io.EOF {
			return values, nil
		} else if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
}

// lines writes values as lines of JSON.
func lines[T any](path string, values []T) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffered := bufio.NewWriter(file)
	encoder := json.NewEncoder(buffered)
	for _, v := range values {
		if err := encoder.Encode(v); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

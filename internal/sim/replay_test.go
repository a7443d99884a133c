package sim

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/faults"
	"github.com/popcask/popcask/internal/storetest"
)

// A seed gives the same history each time: the same statements in the same
// order, at the same times, with the same ends, and the same answers.
func TestSameSeedSameHistory(t *testing.T) {
	var all uint64
	for seed := uint64(1); seed <= 200; seed++ {
		a := Play(t, Generate(seed, nil), Setup{}, NewCoverage())
		b := Play(t, Generate(seed, nil), Setup{}, NewCoverage())
		require.Equal(t, a.Hash, b.Hash, "seed %d", seed)
		all = all*31 + a.Hash
		require.True(t, opsText(t, a) == opsText(t, b), "seed %d", seed)
	}
	t.Logf("on every machine: %x", all)
}

// opsText returns all operations, without the texts of their errors: which of
// two errors is named, if a deadline and an answer come at the same moment, Go
// decides.
func opsText(t *testing.T, v Verdict) string {
	for i := range v.Ops {
		v.Ops[i].Error = ""
	}
	text, err := json.Marshal(v.Ops)
	require.NoError(t, err)
	return string(text)
}

// The text form of a history is read as it was written.
func TestHistoryAsText(t *testing.T) {
	for seed := uint64(1); seed <= 100; seed++ {
		h := Generate(seed, nil)
		again, err := Parse(h.String())
		require.NoError(t, err)
		require.Equal(t, h.String(), again.String())
	}
	for text, want := range map[string]string{
		"cluster dc1:3\nfly a": `line 2, "fly a": there is no verb "fly"`,
		"deliver a":            `deliver has 2 arguments`,
		"deliver a carl":       `"carl" is none of anna, ben`,
		"seed x":               `invalid syntax`,
		"x: deliver a anna":    `invalid syntax`,
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want, text)
	}
}

// A history that fails becomes the smallest one that fails in the same way.
func TestShrink(t *testing.T) {
	h, err := Parse("cluster dc1:3,dc2:3\nhosts dc1 dc1\nhorizon 1h\nborder 1h\ncrowd 10\npage 2\nseed 1\n" +
		"1: deliver b ben &\n2: wait 90m\n3: import b anna u3\n4: down n2\n5: remove b anna all\n6: deliver a ben\n7: import b anna u3\n8: up n2\n")
	require.NoError(t, err)
	setup := Setup{Plant: tampers(func(call *storetest.Call) { call.Drop = reads(call, "uidl") })}
	fails := func(h History) bool { return Play(t, h, setup, NewCoverage()).Has(faults.ChangedUIDL) }
	for h.Seed = 1; !fails(h); h.Seed += 2 { // with some noise nothing is imported twice
		require.Less(t, h.Seed, uint64(1000))
	}
	small := Shrink(h, 1000, fails)
	require.Equal(t, "cluster dc1:3\nhosts dc1\nhorizon 1h\nimport a anna u1\nimport a anna u1\n", small.String())
}

// TestReplay plays the history of a file, and shows what happens in it.
func TestReplay(t *testing.T) {
	if *flagHistory == "" {
		t.Skip("-sim.history names none")
	}
	text, err := os.ReadFile(*flagHistory)
	require.NoError(t, err)
	h, err := Parse(string(text))
	require.NoError(t, err)
	v := PlayWithTrace(t, h, Setup{})
	for _, line := range v.Trace {
		t.Log(line)
	}
	for _, of := range v.Violations {
		t.Errorf("%s: %s", of.Class, of.Text)
	}
}

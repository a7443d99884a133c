package model

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	oneDC    = cluster{here: 3}
	twoDCs   = cluster{here: 3, there: 3}
	standsIn = cluster{here: 3, there: 1} // one replica stands for the other data centre
)

// proven is the protocol as it has to be: the fence and the proof at ALL, with
// one loss.
func proven(c cluster, appenders, provers int) seals {
	return seals{cluster: c, appenders: appenders, provers: provers, fence: all, proof: all, losses: 1}
}

// with returns a variant after a change.
func with[V any](v V, change func(*V)) V {
	change(&v)
	return v
}

// P1: a seal never hides a message that is acknowledged.
func TestP1SealNeverHides(t *testing.T) {
	t.Parallel()
	each := seals{cluster: oneDC, appenders: 1, provers: 1, fence: eachQuorum, proof: eachQuorum}
	for _, c := range []struct {
		name  string
		large bool
		v     seals
	}{
		{"one loss", false, proven(oneDC, 1, 1)},
		{"one loss, two data centres", true, proven(twoDCs, 1, 1)},
		{"one loss, two appenders", true, proven(oneDC, 2, 1)},
		{"one loss, two provers", true, proven(oneDC, 1, 2)},
		{"no loss, two appenders, two provers", true, with(proven(oneDC, 2, 2), func(v *seals) { v.losses = 0 })},
		{"three losses, repaired and begun again in between", false, with(proven(oneDC, 1, 1), func(v *seals) {
			v.losses, v.repaired, v.restarts = 3, true, true
		})},
		{"two losses, repaired and begun again in between, two provers", true, with(proven(oneDC, 1, 2), func(v *seals) {
			v.losses, v.repaired, v.restarts = 2, true, true
		})},
		{"EACH_QUORUM is enough if no replica forgets", false, each},
		{"and in two data centres", false, with(each, func(v *seals) { v.cluster = twoDCs })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			skipLarge(t, c.large)
			never(t, c.v.model())
		})
	}
}

// P1: each of these hides a message.
func TestP1WrongSealsHide(t *testing.T) {
	t.Parallel()
	right := proven(oneDC, 1, 1)
	for _, c := range []struct {
		name   string
		change func(*seals)
	}{
		{"fence and proof at EACH_QUORUM, one killed", func(v *seals) { v.fence, v.proof, v.by = eachQuorum, eachQuorum, kill }},
		{"fence at EACH_QUORUM, one replaced", func(v *seals) { v.fence, v.by = eachQuorum, replacement }},
		{"fence at EACH_QUORUM, one killed", func(v *seals) { v.fence, v.by = eachQuorum, kill }},
		{"proof at EACH_QUORUM, one replaced", func(v *seals) { v.proof, v.by = eachQuorum, replacement }},
		{"proof at EACH_QUORUM, one killed", func(v *seals) { v.proof, v.by = eachQuorum, kill }},
		{"fence and proof at EACH_QUORUM in two data centres, one replaced", func(v *seals) {
			v.cluster, v.fence, v.proof, v.by = standsIn, eachQuorum, eachQuorum, replacement
		}},
		{"fence and proof at EACH_QUORUM in two data centres, one killed", func(v *seals) {
			v.cluster, v.fence, v.proof, v.by = standsIn, eachQuorum, eachQuorum, kill
		}},
		{"an appender that reads the fence first", func(v *seals) { v.fenceReadFirst, v.losses = true, 0 }},
		{"a prover that reads before its fence is acknowledged", func(v *seals) { v.proofReadFirst, v.losses = true, 0 }},
		{"two losses at the same time", func(v *seals) { v.losses = 2 }},
		{"a proof that lasts from before a loss and its repair to the next loss", func(v *seals) { v.losses, v.repaired = 2, true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fails(t, with(right, c.change).model(), "message 1 is hidden")
		})
	}
}

// P1: a replacement is enough to hide a message from a proof at EACH_QUORUM.
func TestP1SealAtEachQuorumHides(t *testing.T) {
	t.Parallel()
	v := seals{cluster: oneDC, appenders: 1, provers: 1, fence: eachQuorum, proof: eachQuorum, losses: 1, by: replacement}
	require.Equal(t, []string{
		"appender 1 sends its message",
		"message 1 arrives at R1",
		"message 1 arrives at R2",
		"appender 1 has its acknowledgements",
		"appender 1 reads R3: no fence",
		"appender 1 reads R1: no fence",
		"appender 1 acknowledges",
		"prover 1 sends its fence",
		"fence 1 arrives at R3",
		"fence 1 arrives at R1",
		"prover 1 begins to read",
		"prover 1 reads R3: nothing",
		"R2 is replaced, streams from R3",
		"prover 1 reads R2: nothing",
		"prover 1 seals without any message",
	}, fails(t, v.model(), "message 1 is hidden"))
}

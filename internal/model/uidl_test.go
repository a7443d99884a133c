package model

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	twice = "two messages have the unique-id"
	again = "the unique-id is given out again"
)

// quorums is the protocol with claim and look at EACH_QUORUM. The store looks at
// ALL, so that one replica may forget.
func quorums(c cluster, importers int) imports {
	return imports{cluster: c, importers: importers, claim: eachQuorum, look: eachQuorum}
}

// each data centre has one copy, which stands for a quorum.
var copies = cluster{here: 1, there: 1}

// P5: a foreign unique-id is never shown twice, nor given out again.
func TestP5ForeignUIDLsAreNeverShownTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		large  bool
		v      imports
		change func(*imports)
	}{
		{"two importers, two data centres", false, quorums(copies, 2), func(*imports) {}},
		{"three importers, two data centres", false, quorums(copies, 3), func(*imports) {}},
		{"three importers, three replicas", true, quorums(oneDC, 3), func(v *imports) { v.kept = true }},
		{"a look at LOCAL_QUORUM is enough if no replica forgets", false, quorums(copies, 3), func(v *imports) { v.look = localQuorum }},
		{"a claim at LOCAL_QUORUM is enough if no replica forgets", false, quorums(copies, 3), func(v *imports) { v.claim = localQuorum }},
		{"one loss, two data centres", true, quorums(standsIn, 2), func(v *imports) { v.losses = 1 }},
		{"one loss, one data centre, the claim at ALL", false, quorums(oneDC, 2), func(v *imports) { v.claim, v.losses = all, 1 }},
		{"one loss, one data centre, the look at ALL", false, quorums(oneDC, 2), func(v *imports) { v.look, v.losses = all, 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			skipLarge(t, c.large)
			never(t, with(c.v, c.change).model())
		})
	}
}

// P5: each of these shows a unique-id twice.
func TestP5WrongClaimsShowTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		bad    string
		v      imports
		change func(*imports)
	}{
		{"claim and look at LOCAL_QUORUM", twice, quorums(copies, 2), func(v *imports) { v.claim, v.look = localQuorum, localQuorum }},
		{"a look before the claim", twice, quorums(copies, 2), func(v *imports) { v.lookFirst = true }},
		{"gone after the message was sent", twice, quorums(copies, 2), func(v *imports) { v.letsGoLate = true }},
		{"gone by another than the owner", twice, quorums(copies, 2), func(v *imports) { v.takesOver = true }},
		{"gone by the removal", again, quorums(copies, 2), func(v *imports) { v.frees = true }},
		{"the protocol of before, two at the same time", twice, quorums(copies, 2), func(v *imports) { v.before, v.kept = true, true }},
		{"a look at LOCAL_QUORUM, one loss", twice, quorums(standsIn, 2), func(v *imports) { v.look, v.losses, v.inTurn = localQuorum, 1, true }},
		{"a claim at LOCAL_QUORUM, one loss", twice, quorums(standsIn, 2), func(v *imports) { v.claim, v.losses, v.inTurn = localQuorum, 1, true }},
		{"two losses, two data centres", twice, quorums(standsIn, 2), func(v *imports) { v.losses, v.inTurn = 2, true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			fails(t, with(c.v, c.change).model(), c.bad)
		})
	}
}

// P5: without `gone`, the unique-id of a removed message is given out again.
func TestP5TheProtocolOfBeforeGivesOutAgain(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"importer 1 sends its claim",
		"claim 1 arrives at R1",
		"claim 1 arrives at R2",
		"importer 1 finds no older message, and sends its membership",
		"membership 1 arrives at R1",
		"membership 1 arrives at R2",
		"message 1 is listed",
		"importer 1 is confirmed",
		"message 1 is removed",
		"importer 2 sends its claim",
		"claim 2 arrives at R1",
		"claim 2 arrives at R2",
		"importer 2 finds no older message, and sends its membership",
		"membership 2 arrives at R1",
		"membership 2 arrives at R2",
		"message 2 is listed",
	}, fails(t, with(quorums(copies, 2), func(v *imports) { v.before, v.inTurn = true, true }).model(), again))
}

// P5: a finding about the design. In a cluster of one data centre EACH_QUORUM
// is a quorum: a claim is overlooked after one replica has forgotten it.
func TestP5OneLossInOneDataCentreShowsTwice(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"importer 1 sends its claim",
		"claim 1 arrives at R1",
		"claim 1 arrives at R2",
		"importer 1 has its acknowledgements",
		"importer 1 looks at R3: no other claim",
		"importer 1 looks at R1: no other claim",
		"importer 1 is alone",
		"importer 1 sends its message",
		"message 1 is listed",
		"importer 2 sends its claim",
		"claim 2 arrives at R3",
		"claim 2 arrives at R1",
		"importer 2 has its acknowledgements",
		"importer 2 looks at R3: no other claim",
		"R2 is replaced, streams from R3",
		"importer 2 looks at R2: no other claim",
		"importer 2 is alone",
		"importer 2 sends its message",
		"message 2 is listed",
	}, fails(t, with(quorums(oneDC, 2), func(v *imports) { v.losses = 1 }).model(), twice))
}

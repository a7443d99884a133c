package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
)

// Eventually waits for a condition, for a minute at most.
func Eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 20*time.Millisecond, what)
}

// Readable returns what a mailbox lists, by ID, and checks that all of it can
// be read (P2, P6).
func Readable(t testing.TB, store mailbox.Store, user string) map[string]string {
	t.Helper()
	mb := Open(t, store, user)
	messages, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	found := make(map[string]string)
	for _, m := range messages {
		text, err := Read(t.Context(), mb, m.ID)
		require.NoError(t, err, "P2: what is listed can be read")
		require.Equal(t, int(m.Size), len(text), "P6")
		found[m.ID] = text
	}
	return found
}

// Holds checks that a mailbox lists exactly these bodies, in any order, and
// that each is read octet for octet (P1, P2, P6).
func Holds(t testing.TB, store mailbox.Store, user string, bodies ...string) {
	t.Helper()
	mb := Open(t, store, user)
	messages, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	want := make(map[string]int)
	for _, b := range bodies {
		want[b]++
	}
	for _, m := range messages {
		text, err := Read(t.Context(), mb, m.ID)
		require.NoError(t, err, "P2: what is listed can be read")
		require.Equal(t, int(m.Size), len(text), "P6: the size that is listed")
		if want[text]--; want[text] < 0 {
			t.Errorf("mailbox of %s: a message too many: %.40q", user, text)
		}
	}
	for b, n := range want {
		if n > 0 {
			t.Errorf("mailbox of %s: %d messages are lost, such as %.40q", user, n, b)
		}
	}
}

// DistinctUIDLs returns the unique-ids of a mailbox that a client would see, by
// ID, and checks that none comes twice (P5).
func DistinctUIDLs(t testing.TB, store mailbox.Store, user string) (shown map[string]string) {
	t.Helper()
	shown = make(map[string]string)
	seen := make(map[string]bool)
	for _, m := range List(t, store, user) {
		uidl := mailbox.UIDL(m)
		require.False(t, seen[uidl], "P5: %s comes twice", uidl)
		seen[uidl], shown[m.ID] = true, uidl
	}
	return shown
}

// Consistent checks that Verify finds nothing, with a clock for which nothing
// is young.
func Consistent(t testing.TB, config cassandra.Config, users ...string) {
	t.Helper()
	store := NewStore(t, Later(config))
	for _, user := range users {
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		assert.Empty(t, report.Findings, "mailbox of %s", user)
		assert.Zero(t, report.Postponed, "mailbox of %s", user)
	}
}

// Mend repairs a mailbox, and checks that the repair mends all that Verify
// finds, that the findings are of the given kinds, and that a second repair
// finds nothing.
func Mend(t testing.TB, store *cassandra.Store, user string, kinds ...cassandra.FindingKind) cassandra.Report {
	t.Helper()
	verified, err := store.Verify(t.Context(), user)
	require.NoError(t, err)
	report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
	require.NoError(t, err)
	require.Len(t, report.Findings, len(verified.Findings))
	for _, f := range report.Findings {
		assert.Contains(t, kinds, f.Kind)
		assert.True(t, f.Mended, "%s %s: %v", f.Kind, f.ID, f.Err)
	}
	assert.Zero(t, report.Postponed)
	again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
	require.NoError(t, err)
	assert.Empty(t, again.Findings, "a second repair finds nothing")
	assert.Zero(t, again.Postponed)
	return report
}

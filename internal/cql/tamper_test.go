package cql

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/paxostest"
)

// A tampered session sends what the test makes of a statement, and no other one
// does: without Tamper the same calls leave what they say.
func TestTamper(t *testing.T) {
	seen := new(observations)
	s, cluster, config := newSession(t, seen)
	paxostest.Watch(t, cluster, config.Keyspace)
	ctx := t.Context()
	write := func(s *Session, k int) {
		require.NoError(t, s.Exec(ctx, LocalQuorum, insertT, 10, k, 1, "one"))
		require.NoError(t, s.Exec(ctx, LocalQuorum, insertT, 10, k, 2, "two"))
		require.NoError(t, s.Exec(ctx, LocalQuorum, insertT, 10, k, 3, "three"))
		var batch Batch
		batch.Add(deleteT, 11, k, 1)
		batch.Add(deleteT, 11, k, 2)
		batch.Add(insertT, 11, k, 4, "four")
		require.NoError(t, s.ExecBatch(ctx, LocalQuorum, &batch))
	}
	write(s, 1)
	require.Equal(t, map[int]string{3: "three", 4: "four"}, rowsOf(t, s, 1))

	tampered, err := Connect(ctx, config)
	require.NoError(t, err)
	t.Cleanup(tampered.Close)
	blind := false
	tampered.Tamper(func(call *Call) {
		switch {
		case strings.HasPrefix(call.Statement, "SELECT"):
			require.Zero(t, call.Timestamp)
			call.Level, call.Drop = All, blind
		case call.Values[1] == 1 && strings.HasPrefix(call.Statement, "DELETE"):
			require.Equal(t, int64(11), call.Timestamp)
			call.Timestamp = 9 // before what it deletes
		case call.Values[1] == 2 && strings.HasPrefix(call.Statement, "DELETE"), call.Values[1] == 3:
			call.Drop = true
		case call.Values[1] == 4:
			call.Values[2] = "vier"
		}
	})
	write(tampered, 2)
	seen.take()
	want := map[int]string{1: "one", 2: "two", 4: "vier"}
	require.Equal(t, want, rowsOf(t, tampered, 2))
	require.Equal(t, "ALL", seen.take()[0].Consistency)
	require.Equal(t, want, rowsOf(t, s, 2))
	blind = true
	require.Empty(t, rowsOf(t, tampered, 2))
	require.Equal(t, want, rowsOf(t, s, 2))

	var batch Batch
	batch.Add(deleteT, 20, 2, 2)
	seen.take()
	require.NoError(t, tampered.ExecBatch(ctx, LocalQuorum, &batch))
	require.Empty(t, seen.take(), "a batch of which nothing is left is not sent")
}

package cassandra

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The timestamps are those of the rule, and of nothing else: three consecutive
// microseconds, whatever the clock says.
func TestP3TimestampsComeFromTheID(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := someID(t)
		require.Equal(t, id.Timestamp(), AddedAt(id))
		require.Equal(t, id.Timestamp()+1, markedAt(id))
		require.Equal(t, id.Timestamp()+2, DeletedAt(id))
	})
}

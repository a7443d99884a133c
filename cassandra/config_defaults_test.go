package cassandra

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// A limit of 0 means the same in every store, and so does a negative one.
func TestDefaultLimits(t *testing.T) {
	config := Config{}.withDefaults()
	require.EqualValues(t, mailbox.DefaultMaxMessageSize, config.MaxMessageSize)
	require.Equal(t, 1000, config.MaxRecipients)
	config = Config{MaxMessageSize: -1, MaxRecipients: -1}.withDefaults()
	require.EqualValues(t, -1, config.MaxMessageSize)
	require.Equal(t, -1, config.MaxRecipients)
}

// The numbers that the documentation of Config gives.
func TestDefaultsOfSealing(t *testing.T) {
	config := Config{}.withDefaults()
	require.Equal(t, 200_000, config.BucketMessages)
	require.Equal(t, time.Hour, config.Horizon)
	require.Equal(t, 500, config.SealAfter)
	require.Equal(t, 8, config.ProofWorkers)
	require.Equal(t, 7*24*time.Hour, config.ReplicationRest)
	require.Equal(t, -1, Config{SealAfter: -1}.withDefaults().SealAfter)
}

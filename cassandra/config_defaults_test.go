package cassandra

import (
	"testing"

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

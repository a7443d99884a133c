package murmur3

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Tokens that SELECT token(k) of Cassandra returns, for k int.
func TestSum(t *testing.T) {
	require.Equal(t, int64(-4069959284402364209), Sum([]byte{0, 0, 0, 1}))
	require.Equal(t, int64(-3248873570005575792), Sum([]byte{0, 0, 0, 2}))
	require.Equal(t, int64(9010454139840013625), Sum([]byte{0, 0, 0, 3}))
}

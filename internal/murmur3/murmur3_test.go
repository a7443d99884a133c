package murmur3

import (
	"encoding/hex"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tokens that SELECT token(k) of Cassandra returns, for k int.
func TestSum(t *testing.T) {
	require.Equal(t, int64(-4069959284402364209), Sum([]byte{0, 0, 0, 1}))
	require.Equal(t, int64(-3248873570005575792), Sum([]byte{0, 0, 0, 2}))
	require.Equal(t, int64(9010454139840013625), Sum([]byte{0, 0, 0, 3}))
}

// No key is where the ring begins: the smallest hash becomes the largest token,
// as in Murmur3Partitioner of Cassandra. The key was computed from the hash.
func TestTokenOfTheSmallestHash(t *testing.T) {
	key, err := hex.DecodeString("0407747c8ae70b7f542c82e6fda37a5a")
	require.NoError(t, err)
	require.Equal(t, int64(math.MinInt64), Sum(key))
	require.Equal(t, int64(math.MaxInt64), Token(key))
	require.Equal(t, Sum([]byte{0, 0, 0, 1}), Token([]byte{0, 0, 0, 1}))
}

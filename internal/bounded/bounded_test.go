package bounded

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPut(t *testing.T) {
	var m map[int]string
	for i := range 10 {
		Put(&m, 3, i, "a")
		require.LessOrEqual(t, len(m), 3)
		require.Equal(t, "a", m[i])
	}
	for i := range m {
		Put(&m, 3, i, "b") // makes no room, since there is one of that key
	}
	require.Len(t, m, 3)
	for _, value := range m {
		require.Equal(t, "b", value)
	}

	m = nil
	for i := range 100 {
		Put(&m, -1, i, "")
	}
	require.Len(t, m, 100)
}

package cassandratest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseDCs(t *testing.T) {
	for text, want := range map[string][]DC{
		"dc1":              {{"dc1", 1}},
		"dc1:3":            {{"dc1", 3}},
		"dc1:3,dc2:2":      {{"dc1", 3}, {"dc2", 2}},
		"paris:1, tokyo:1": {{"paris", 1}, {"tokyo", 1}},
	} {
		got, err := ParseDCs(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for text, complaint := range map[string]string{
		"":                                       `"" is not a name`,
		":3":                                     `"" is not a name`,
		"dc 1:3":                                 `"dc 1" is not a name`,
		"dc1/x":                                  `"dc1/x" is not a name`,
		"dc1:":                                   `"" is not a number`,
		"dc1:three":                              `"three" is not a number`,
		"dc1:0":                                  `has 0 nodes`,
		"dc1:-1":                                 `has -1 nodes`,
		"dc1:1,DC1:1":                            `"DC1" is named twice`,
		"dc1:1,":                                 `"" is not a name`,
		"dc1:33":                                 `more than 32 nodes`,
		fmt.Sprintf("a:%d,b:%[1]d", math.MaxInt): `more than 32 nodes`,
	} {
		_, err := ParseDCs(text)
		require.ErrorContains(t, err, complaint, text)
	}
}

func TestTopologyDefaults(t *testing.T) {
	topology, err := Topology{}.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Topology{DCs: []DC{{"dc1", 1}}, HeapMB: 256, Grace: time.Minute}, topology)

	_, err = Topology{HeapMB: 64}.withDefaults()
	require.ErrorContains(t, err, "at least 128")
	_, err = Topology{DCs: []DC{{"dc1", 0}}}.withDefaults()
	require.ErrorContains(t, err, "0 nodes")
	_, err = Topology{TLS: t.TempDir()}.withDefaults()
	require.ErrorContains(t, err, "Topology.TLS needs Topology.Private")
}

func TestEqualTopologiesShareACluster(t *testing.T) {
	key := func(topology Topology, dir string) string {
		topology, err := topology.withDefaults()
		require.NoError(t, err)
		s, err := newSpec(topology, dir)
		require.NoError(t, err)
		return s.Key
	}
	require.Equal(t, key(Topology{}, ""), key(Topology{DCs: []DC{{"dc1", 1}}, HeapMB: 256}, ""))
	require.Equal(t,
		key(Topology{Settings: map[string]any{"a": 1, "b": 2}}, ""),
		key(Topology{Settings: map[string]any{"b": 2, "a": 1}}, ""))
	require.NotEqual(t, key(Topology{}, ""), key(Topology{Settings: map[string]any{"a": 1}}, ""))
	require.NotEqual(t, key(Topology{Private: true}, ""), key(Topology{Private: true}, ""), "private")
	require.Equal(t, key(Topology{Private: true}, "data"), key(Topology{Private: true}, "./data"), "a directory")
}

func TestTokensAreDistinctAndEven(t *testing.T) {
	topology := Topology{DCs: []DC{{"dc1", 3}, {"dc2", 3}}}
	seen := map[string]bool{}
	for _, n := range layOut(topology, make([]place, 6)) {
		require.Len(t, n.Tokens, vnodes)
		for _, token := range n.Tokens {
			require.False(t, seen[token], token)
			seen[token] = true
		}
	}
}

package faults

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a node gets back is its snapshot, and nothing else.
func TestTakeBack(t *testing.T) {
	keyspace := t.TempDir()
	write := func(name string) {
		path := filepath.Join(keyspace, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(name), 0o600))
	}
	for _, name := range []string{
		"full-1/nb-2-big-Data.db", "full-1/snapshots/before/nb-1-big-Data.db", "full-1/snapshots/before/manifest.json",
		"full-1/snapshots/before/schema.cql", "full-1/snapshots/other/nb-0-big-Data.db", "empty-1/nb-1-big-Data.db",
	} {
		write(name)
	}
	require.NoError(t, takeBack(keyspace, "before"))
	for table, want := range map[string][]string{"full-1": {"nb-1-big-Data.db"}, "empty-1": nil} {
		entries, err := os.ReadDir(filepath.Join(keyspace, table))
		require.NoError(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		require.Equal(t, want, names)
	}
}

package sim

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/faults"
)

// The histories in testdata are the smallest that showed a fault. One that says
// "until", with the letter of a part of the work, still shows it: it is known to
// fail. When the part is done the line goes, and the history must be clean.
func TestKnownHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			h := read(t, file)
			v := Play(t, h, Setup{}, NewCoverage())
			if h.Until == "" {
				require.Empty(t, v.Violations)
				return
			}
			i := slices.IndexFunc(v.Violations, func(of faults.Violation) bool { return of.Class == faults.Class(h.Expect) })
			require.GreaterOrEqual(t, i, 0, "known to fail until part %s: it does not any more, so the line \"until\" may go: %v", h.Until, v.Violations)
			t.Logf("known to fail until part %s: %s: %s", h.Until, h.Expect, v.Violations[i].Text)
		})
	}
}

// read reads a history from a file.
func read(t *testing.T, file string) History {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	h, err := Parse(string(text))
	require.NoError(t, err)
	require.Equal(t, string(text), h.String(), "%s is not in the form that String writes", file)
	return h
}

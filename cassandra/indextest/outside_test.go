package indextest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// A program outside the module, which may import nothing internal, has an index
// with a table of its own that passes the kit, and a store with its own
// settings of the driver.
func TestAProgramOutsideTheModule(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a module, and runs the whole kit in it")
	}
	cassandratest.Start(t, cassandratest.Topology{}) // the cluster that its tests use as well
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/outside")))
	writeModule(t, root, dir)

	test := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", fmt.Sprintf("-race=%t", slow.RaceDetector()), ".")
	test.Dir = dir
	test.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := test.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NotContains(t, string(out), "--- SKIP")
	for _, name := range []string{"TestConformance", "TestStore", "TestSettingsThatBreakAPromise"} {
		require.Contains(t, string(out), "--- PASS: "+name)
	}
}

// writeModule makes a module that needs ours, as it is here, and the modules
// that ours needs, so that nothing has to be looked up.
func writeModule(t *testing.T, root, dir string) {
	t.Helper()
	const name = "github.com/popcask/popcask"
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	module := strings.Replace(string(ours), "module "+name, "module example.org/outside", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\nreplace %s => %q\n", name, name, root)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(module), 0o600))
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
}

// The pieces of an index in the documentation are those of the program, which is
// compiled and passes the kit.
func TestTheDocumentationHasPiecesOfTheProgram(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	program, err := os.ReadFile("testdata/outside/index.go")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(doc), "// # Writing an index\n")
	require.True(t, found)
	pieces := regexp.MustCompile(`(?m)(^//\t.*\n(^//\n(^//\t))?)+`).FindAllString(section, -1)
	require.GreaterOrEqual(t, len(pieces), 3)
	for _, piece := range pieces {
		piece = strings.ReplaceAll(strings.ReplaceAll(piece, "//\t", ""), "//\n", "\n")
		require.Contains(t, string(program), piece)
	}
}

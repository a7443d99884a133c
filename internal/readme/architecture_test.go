package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/popcask/popcask/"

// place is where a package stands in the list of floors of ARCHITECTURE.md.
type place struct {
	floor     int
	forTests  bool // it is imported by tests, programs and packages for tests
	isProgram bool // nothing imports it; of tests only, too
}

var floorLine = regexp.MustCompile(`(?m)^(\d) ([a-z ]+): +(.+)$`)

// Every package stands on a floor, and imports packages of lower floors only.
func TestImportsRunDownTheFloors(t *testing.T) {
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(text), "```floors\n")
	require.True(t, found)
	list, _, _ = strings.Cut(list, "```")
	places := make(map[string]place)
	for _, line := range floorLine.FindAllStringSubmatch(list, -1) {
		floor, err := strconv.Atoi(line[1])
		require.NoError(t, err)
		for _, name := range strings.Fields(line[3]) {
			places[name] = place{floor, strings.Contains(line[2], "for tests"), line[2] == "programs" || line[2] == "tests only"}
		}
	}

	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "../../...").Output()
	require.NoError(t, err)
	listed := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		name := strings.TrimPrefix(words[0], module)
		of, known := places[name]
		require.True(t, known, "%s is on no floor", name)
		listed[name] = true
		for _, path := range words[1:] {
			imported, ours := strings.CutPrefix(path, module)
			if !ours {
				continue
			}
			require.Less(t, places[imported].floor, of.floor, "%s imports %s", name, imported)
			require.False(t, places[imported].forTests && !of.forTests && !of.isProgram, "%s imports %s, which is for tests", name, imported)
		}
	}
	for name := range places {
		require.True(t, listed[name], "%s is on a floor, and is not in the module", name)
	}
}

// named are the files and folders of the repository that a text names, with *
// for any name: in backticks, or as the target of a link.
var named = regexp.MustCompile("`(?:[A-Za-z0-9_][A-Za-z0-9_.*-]*/)+[A-Za-z0-9_.*-]+`|\\]\\([A-Za-z0-9_./-]+\\)")

// Every file and folder that the texts at the root name is there.
func TestTextsNameFilesThatExist(t *testing.T) {
	for _, name := range []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "cassandra/PROMISES.md", "cassandra/OPERATING.md", "pop3/RFC.md"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		require.NoError(t, err)
		for _, path := range named.FindAllString(string(text), -1) {
			path = strings.Trim(path, "`]()")
			top, _, _ := strings.Cut(path, "/")
			if _, err := os.Stat(filepath.Join("../..", top)); err != nil {
				continue // log/slog, say
			}
			files, err := filepath.Glob(filepath.Join("../..", path))
			require.NoError(t, err)
			require.NotEmpty(t, files, "%s names %s", name, path)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each mutation of the list is of a text that its file has once. What changes a
// line that is in the list changes the list.
func TestTheListFollowsTheSource(t *testing.T) {
	list, err := readList("")
	require.NoError(t, err)
	for _, m := range list {
		_, _, err := m.find("../..")
		assert.NoError(t, err, "%s: %s: %s", m.where, m.file, m)
	}
}

func TestAListThatIsWrongIsAnError(t *testing.T) {
	for text, want := range map[string]string{
		"- a\n? T":          "no file",
		"== f.go\n+ a\n? T": "nothing goes",
		"== f.go\n- a":      "no tests",
		"== f.go\n! a":      "begins with none of",
		"== f.go\n- a\n? (": "missing closing",
	} {
		_, err := parseList("list", text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestATextThatIsNotThereOnceIsAnError(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "f.go"), []byte("a\n\tb\na\n"), 0o600))
	find := func(was ...string) (edit, error) {
		e, _, err := (&mutation{file: "f.go", was: was, is: []string{"x"}}).find(root)
		return e, err
	}
	_, err := find("c")
	require.ErrorContains(t, err, "does not have this text")
	_, err = find("a")
	require.ErrorContains(t, err, "2 times")
	e, err := find("a", "b")
	require.NoError(t, err)
	require.Equal(t, "x\na\n", e.apply("a\n\tb\na\n"))
}

// A function that has edits begins with a switch to its variants, whatever its
// parameters are called.
func TestVariants(t *testing.T) {
	const text = `package p

func (noBrake) begin(_ int, more ...string) (func(), error) { return nil, nil }

func count[K comparable](m map[K]int) { m = nil }

var table = []int{1, 2}
`
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "f.go"), []byte(text), 0o600))
	s, err := readSource(root, "f.go")
	require.NoError(t, err)
	edits := map[int]edit{}
	for number, m := range map[int]*mutation{
		1: {file: "f.go", was: []string{"nil, nil }"}, is: []string{"nil, err }"}},
		2: {file: "f.go", was: []string{"m = nil"}},
		3: {file: "f.go", was: []string{"{1, 2}"}, is: []string{"{1}"}},
	} {
		e, _, err := m.find(root)
		require.NoError(t, err)
		edits[number] = e.narrow(text)
		require.True(t, s.together(edits[number]))
	}
	require.Equal(t, `package p

func (r__ noBrake) begin(p__0 int, more ...string) (func(), error) { if mutant__ == 1 { return r__.begin__1(p__0, more...) }; return nil, nil }

func count[K comparable](m map[K]int) { if mutant__ == 2 { count__2[K](m); return }; m = nil }

var table = []int{1, 2}

func (noBrake) begin__1(_ int, more ...string) (func(), error) { return nil, err }

func count__2[K comparable](m map[K]int) {  }

func init() { if mutant__ == 3 { table = []int{1} } }
`, s.with(edits, []int{1, 2, 3}))
	require.Equal(t, 1, s.lines[9])
	require.Equal(t, 3, s.lines[13])
}

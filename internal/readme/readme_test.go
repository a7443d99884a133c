// Package readme checks the texts of the repository: their programs compile,
// the files that they name exist, and the imports follow ARCHITECTURE.md.
package readme

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every program of the README compiles, and is formatted. So is its test, which
// gets what it leaves out.
func TestProgramsCompile(t *testing.T) {
	const beforeTheTest = `package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3/pop3test"
)

var sendInvitation func(server, to string) error

`
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	programs := strings.Split(string(text), "```go\n")[1:]
	require.Equal(t, 4, len(programs)) // not Len, which would print the README
	for i, program := range programs {
		program, _, closed := strings.Cut(program, "```")
		require.True(t, closed)
		t.Run(strconv.Itoa(i+1), func(t *testing.T) {
			name := "main.go"
			if strings.HasPrefix(program, "func Test") {
				name, program = "main_test.go", beforeTheTest+program
			}
			// Inside the module, so that its packages are found.
			dir, err := os.MkdirTemp(".", "_program")
			require.NoError(t, err)
			t.Cleanup(func() { os.RemoveAll(dir) })
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(program), 0o600))
			out, err := exec.Command("go", "vet", "./"+dir).CombinedOutput()
			require.NoError(t, err, "%s", out)
			out, err = exec.Command("gofmt", "-l", dir).CombinedOutput()
			require.NoError(t, err)
			require.Empty(t, string(out), "not formatted")
		})
	}
}

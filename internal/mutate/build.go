package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// environment is how a binary of tests gets the number of its mutation.
const environment = "POPCASK_MUTANT"

// chooser is a file of each package that has mutations.
const chooser = `package %s

import (
	"os"
	"strconv"
)

var ` + chosen + `, _ = strconv.Atoi(os.Getenv("` + environment + `"))
`

// built are the tests of a package with mutations in them.
type built struct {
	binary string        // with those that have a number
	alone  string        // binaries of those that are not in a function: alone, and the number
	broken map[int]error // those that do not compile
	single map[int]bool  // those with a binary of their own
}

// of returns the binary that has a mutation.
func (b *built) of(number int) string {
	if b.single[number] {
		return b.alone + strconv.Itoa(number)
	}
	return b.binary
}

// build compiles the tests of a package with all edits, into the directory work.
// Nearly all are in one binary.
func build(ctx context.Context, root, dir, work string, edits map[int]edit) (*built, error) {
	b := &built{
		binary: filepath.Join(work, "tests"), alone: filepath.Join(work, "tests"),
		broken: map[int]error{}, single: map[int]bool{},
	}
	sources := map[string]*source{}
	for _, number := range slices.Sorted(maps.Keys(edits)) {
		e := edits[number]
		s := sources[e.file]
		if s == nil {
			var err error
			if s, err = readSource(root, e.file); err != nil {
				return nil, err
			}
			sources[e.file] = s
		}
		e = e.narrow(s.text)
		if edits[number] = e; !s.together(e) {
			b.single[number] = true
		}
	}
	var mu sync.Mutex
	each(slices.Collect(maps.Keys(b.single)), func(number int) {
		e := edits[number]
		overlay := map[string]string{filepath.Join(root, filepath.FromSlash(e.file)): e.apply(sources[e.file].text)}
		if output, err := compile(ctx, root, dir, work, b.of(number), overlay); err != nil {
			mu.Lock()
			defer mu.Unlock()
			b.broken[number] = fmt.Errorf("it does not compile: %w\n%s", err, output)
		}
	})
	for {
		found, err := b.compileTogether(ctx, root, dir, work, edits, sources)
		if err == nil {
			return b, nil
		}
		if !found {
			return nil, err
		}
	}
}

var compilerError = regexp.MustCompile(`(?m)([^/\s:]+\.go):(\d+):\d+: (.+)$`)

// compileTogether compiles all mutations that are in functions and were not
// found to be broken. With an error found reports whether it knows which are
// broken: then they are left out the next time.
func (b *built) compileTogether(ctx context.Context, root, dir, work string, edits map[int]edit, sources map[string]*source) (found bool, err error) {
	overlay := map[string]string{}
	names := map[string]*source{}
	for file, s := range sources {
		var numbers []int
		for _, number := range slices.Sorted(maps.Keys(edits)) {
			if edits[number].file == file && !b.single[number] && b.broken[number] == nil {
				numbers = append(numbers, number)
			}
		}
		clear(s.lines)
		names[flat(file)] = s
		overlay[filepath.Join(root, filepath.FromSlash(file))] = s.with(edits, numbers)
		overlay[filepath.Join(root, filepath.FromSlash(path.Dir(file)), "zz_mutant.go")] = fmt.Sprintf(chooser, s.file.Name.Name)
	}
	output, err := compile(ctx, root, dir, work, b.binary, overlay)
	if err == nil {
		return false, nil
	}
	for _, match := range compilerError.FindAllStringSubmatch(string(output), -1) {
		line, _ := strconv.Atoi(match[2])
		if s := names[match[1]]; s != nil && s.lines[line] != 0 {
			b.broken[s.lines[line]] = fmt.Errorf("it does not compile: %s", match[3])
			found = true
		}
	}
	return found, fmt.Errorf("the tests of %s do not compile: %w\n%s", dir, err, output)
}

// flat is the name of the text of a file, which the compiler tells of: there are
// files of several packages.
func flat(file string) string { return strings.ReplaceAll(file, "/", "-") }

// compile compiles the tests of a package, with texts in the place of files.
func compile(ctx context.Context, root, dir, work, binary string, overlay map[string]string) ([]byte, error) {
	work, err := os.MkdirTemp(work, "overlay-")
	if err != nil {
		return nil, err
	}
	replace := map[string]string{}
	for file, text := range overlay {
		relative, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		replace[file] = filepath.Join(work, flat(filepath.ToSlash(relative)))
		if err := os.WriteFile(replace[file], []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	octets, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	name := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(name, octets, 0o600); err != nil {
		return nil, err
	}
	return command(ctx, root, nil, "go", "test", "-c", "-gcflags=-e", "-ldflags=-s -w", "-overlay", name, "-o", binary, "./"+dir)
}

// timeLimit is how long the tests of a mutation may take. One that hangs is
// found.
const timeLimit = 30 * time.Second

// longTime is more than anything else takes.
const longTime = 10 * time.Minute

// errNoTests: the regexp of the tests finds none.
var errNoTests = errors.New("there are no such tests")

// memory is a file system on which a sync costs nothing, if there is one. The
// files of the tests are there.
func memory() string {
	const shm = "/dev/shm"
	if info, err := os.Stat(shm); err == nil && info.IsDir() {
		return shm
	}
	return os.TempDir()
}

// runTests runs some of the tests of a package with a mutation; 0: with none. It
// reports whether one failed.
func runTests(ctx context.Context, root, dir, binary string, number int, tests string) (failed bool, output []byte, err error) {
	files, err := os.MkdirTemp(memory(), "popcask-mutate-")
	if err != nil {
		return false, nil, err
	}
	defer os.RemoveAll(files) // a test that panics leaves them
	limit := timeLimit
	if number == 0 { // all of them
		limit = longTime
	}
	output, err = command(ctx, filepath.Join(root, filepath.FromSlash(dir)),
		[]string{environment + "=" + strconv.Itoa(number), "TMPDIR=" + files},
		binary, "-test.run", tests, "-test.failfast", "-test.timeout", limit.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, nil, ctx.Err()
	case errors.As(err, &exit):
		return true, output, nil
	case err != nil:
		return false, nil, err
	case regexp.MustCompile(`no tests to run`).Match(output):
		return false, nil, fmt.Errorf("%w: %s", errNoTests, tests)
	}
	return false, output, nil
}

func command(ctx context.Context, dir string, environment []string, name string, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, longTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), environment...)
	cmd.WaitDelay = time.Second // a child of a test may hold the output open
	return cmd.CombinedOutput()
}

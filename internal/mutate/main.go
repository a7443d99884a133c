package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

var (
	some     = flag.String("lists", "", "only these of internal/mutate/list, with commas: maildir-syncs,pop3-limits")
	only     = flag.String("run", "", "of the list, only mutations of which the file, the text or the tests match this regexp")
	verbose  = flag.Bool("v", false, "print each mutation, and what the tests say")
	atOnce   = flag.Int("parallel", 2*runtime.NumCPU(), "how many to try at the same time: most of them wait")
	sweeping = flag.String("sweep", "", "try mutations that are made by the syntax, of this package, instead of the list")
	sample   = flag.Int("n", 0, "of a sweep, try so many that are drawn; 0: all")
	seed     = flag.Uint64("seed", 1, "what a sweep draws by")
	tests    = flag.String("tests", ".", "the tests of a sweep, a regexp")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if *sweeping != "" {
		return sweep(ctx, root, filepath.ToSlash(filepath.Clean(*sweeping)))
	}
	list, err := readList(*some)
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(m *mutation) bool {
		return !pattern.MatchString(strings.Join([]string{m.file, m.String(), m.tests}, "\n"))
	})
	if len(list) == 0 {
		return fmt.Errorf("nothing in the list matches %q", *only)
	}
	return tryList(ctx, root, list)
}

func moduleRoot(ctx context.Context) (string, error) {
	file, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(file))), nil
}

// tryList tries the mutations of a list, and returns an error if one is not as
// the list has it.
func tryList(ctx context.Context, root string, list []*mutation) error {
	began := time.Now()
	report := report{total: len(list)}
	packages := map[string][]*mutation{}
	for _, m := range list {
		packages[m.dir()] = append(packages[m.dir()], m)
	}
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if err := tryPackage(ctx, root, dir, packages[dir], &report); err != nil {
			return err
		}
	}
	report.print(list)
	fmt.Printf("%d mutations in %s\n", len(list), time.Since(began).Round(time.Second))
	if report.wrong > 0 {
		return fmt.Errorf("%d mutations are not as the list has them", report.wrong)
	}
	return ctx.Err()
}

// tryPackage tries the mutations of one package.
func tryPackage(ctx context.Context, root, dir string, list []*mutation, report *report) error {
	work, err := os.MkdirTemp("", "popcask-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	edits := map[int]edit{}
	numbers := map[*mutation]int{}
	var tests []string
	for i, m := range list {
		e, line, err := m.find(root)
		if m.line = line; err != nil {
			report.add(m, err)
			continue
		}
		numbers[m] = i + 1
		edits[i+1] = e
		tests = append(tests, m.tests)
	}
	built, err := build(ctx, root, dir, work, edits)
	if err != nil {
		return err
	}
	slices.Sort(tests)
	failed, output, err := runTests(ctx, root, dir, built.binary, 0, strings.Join(slices.Compact(tests), "|"))
	if err != nil {
		return err
	}
	if failed {
		return fmt.Errorf("%s: the tests fail without a mutation:\n%s", dir, output)
	}
	each(slices.Collect(maps.Keys(numbers)), func(m *mutation) {
		err := built.broken[numbers[m]]
		if err == nil {
			err = judge(ctx, root, m, built.of(numbers[m]), numbers[m])
		}
		report.add(m, err)
	})
	return nil
}

// judge runs the tests of one mutation. It returns an error if the outcome is
// not that of the list.
func judge(ctx context.Context, root string, m *mutation, binary string, number int) error {
	began := time.Now()
	found, output, err := runTests(ctx, root, m.dir(), binary, number, m.tests)
	if *verbose {
		fmt.Printf("%s:%d: %s: found %t by %s in %s\n%s\n", m.file, m.line, m, found, m.tests, time.Since(began), output)
	}
	switch {
	case err != nil:
		return err
	case !found && m.alive == "":
		return errors.New("SURVIVES: no test fails")
	case found && m.alive != "":
		return fmt.Errorf("a test finds it, so it is wrong that %s:\n%s", m.alive, output)
	}
	return nil
}

// each calls f with all of them, some at the same time.
func each[T any](all []T, f func(T)) {
	parallel.Each(*atOnce, len(all), func(i int) error {
		f(all[i])
		return nil
	})
}

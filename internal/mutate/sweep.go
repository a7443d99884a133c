package main

import (
	"context"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// sweep makes mutations of a package by the syntax, runs its tests with each,
// and prints those that survive.
func sweep(ctx context.Context, root, dir string) error {
	began := time.Now()
	edits, lines, err := sweepEdits(ctx, root, dir)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "popcask-mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	built, err := build(ctx, root, dir, work, edits)
	if err != nil {
		return err
	}
	defer tidy(filepath.Join(root, filepath.FromSlash(dir), "testdata", "rapid"))()
	if failed, output, err := runTests(ctx, root, dir, built.binary, 0, *tests); err != nil || failed {
		return fmt.Errorf("the tests fail without a mutation: %w\n%s", err, output)
	}
	maps.DeleteFunc(edits, func(number int, _ edit) bool { return built.broken[number] != nil })
	var mu sync.Mutex
	tried, survived := 0, 0
	each(slices.Sorted(maps.Keys(edits)), func(number int) {
		found, _, err := runTests(ctx, root, dir, built.of(number), number, *tests)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			return
		}
		if tried++; !found {
			survived++
			fmt.Println(lines[number])
		}
	})
	fmt.Printf("%s: %d of %d mutations survive, %d do not compile, in %s\n",
		dir, survived, tried, len(built.broken), time.Since(began).Round(time.Second))
	return ctx.Err()
}

// tidy returns what removes a directory if it is not there at first: failures
// are no news here, and rapid notes them.
func tidy(dir string) func() {
	if _, err := os.Stat(dir); err == nil {
		return func() {}
	}
	return func() { os.RemoveAll(dir) }
}

// sweepEdits returns the mutations of a package, all or a sample, and the line
// that a sweep prints for each.
func sweepEdits(ctx context.Context, root, dir string) (map[int]edit, map[int]string, error) {
	list := exec.CommandContext(ctx, "go", "list", "-f", `{{join .GoFiles "\n"}}`, "./"+dir)
	list.Dir = root
	files, err := list.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list %s: %w", dir, err)
	}
	edits, lines := map[int]edit{}, map[int]string{}
	for _, name := range strings.Fields(string(files)) {
		s, err := readSource(root, dir+"/"+name)
		if err != nil {
			return nil, nil, err
		}
		add := func(begin, end token.Pos, text, kind string) {
			e := edit{dir + "/" + name, s.at(begin), s.at(end), text}
			if !s.together(e) {
				return
			}
			number := len(edits) + 1
			edits[number] = e
			was := blanks.ReplaceAllString(s.slice(begin, end), " ")
			lines[number] = fmt.Sprintf("%s:%d: %s: %.100s", e.file, s.positions.Position(begin).Line, kind, was)
		}
		ast.Inspect(s.file, func(node ast.Node) bool {
			mutate(s, node, add)
			return true
		})
	}
	if *sample > 0 && *sample < len(edits) {
		random := rand.New(rand.NewPCG(*seed, 0))
		for _, number := range random.Perm(len(edits))[*sample:] {
			delete(edits, number+1)
		}
	}
	return edits, lines, nil
}

var blanks = regexp.MustCompile(`\s+`)

// others are the operators that come in the place of operators.
var others = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">",
	token.LAND: "||", token.LOR: "&&", token.ADD: "-", token.SUB: "+",
}

// mutate adds the mutations of a piece of syntax.
func mutate(s *source, node ast.Node, add func(begin, end token.Pos, text, kind string)) {
	switch n := node.(type) {
	case *ast.IfStmt:
		add(n.Cond.Pos(), n.Cond.End(), "!("+s.slice(n.Cond.Pos(), n.Cond.End())+")", "negated")
	case *ast.BinaryExpr:
		if other := others[n.Op]; other != "" {
			add(n.Pos(), n.End(), s.slice(n.Pos(), n.OpPos)+other+s.slice(n.OpPos+token.Pos(len(n.Op.String())), n.End()), other+" in place of "+n.Op.String())
		}
	case *ast.CaseClause:
		if n.List != nil {
			add(n.Pos(), n.End(), "", "case left out")
		}
	case *ast.ExprStmt, *ast.DeferStmt, *ast.IncDecStmt:
		add(n.Pos(), n.End(), "", "left out")
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			add(n.Pos(), n.End(), "", "left out")
		}
	}
}

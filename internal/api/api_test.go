// Package api keeps the exported surface of the module: what hosts compile
// against is in the file api.txt, so that a review sees each change of it.
package api

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write api.txt")

const (
	root = "../.."
	file = root + "/api.txt"
)

// The exported surface of all packages that a host may import is the one in
// api.txt. After a change that is meant, run
//
//	go test ./internal/api -update
//
// and say in CHANGELOG.md what a host has to change.
func TestAPI(t *testing.T) {
	var surface bytes.Buffer
	for _, dir := range publicPackages(t) {
		surface.WriteString("package " + filepath.ToSlash(dir) + "\n\n")
		for _, declaration := range exported(t, dir) {
			surface.WriteString(declaration + "\n")
		}
		surface.WriteString("\n")
	}
	got := strings.TrimRight(surface.String(), "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, strings.Split(string(want), "\n"), strings.Split(got, "\n"), "see the comment of this test")
}

// publicPackages returns the directories of the packages that a host may
// import.
func publicPackages(t *testing.T) (dirs []string) {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name := entry.Name()
		if path != root && (strings.HasPrefix(name, ".") || name == "internal" || name == "testdata" || name == "examples") {
			return filepath.SkipDir
		}
		if found, err := build.ImportDir(path, 0); err == nil && found.Name != "main" {
			dir, err := filepath.Rel(root, path)
			dirs = append(dirs, dir)
			return err
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, dirs, "pop3")
	return dirs
}

// exported returns the exported declarations of a package, each as Go prints it,
// without comments and bodies. The files are those that are built on Linux.
func exported(t *testing.T, dir string) (declarations []string) {
	context := build.Default
	context.GOOS, context.GOARCH = "linux", "amd64"
	found, err := context.ImportDir(filepath.Join(root, dir), 0)
	require.NoError(t, err)
	for _, name := range found.GoFiles {
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, filepath.Join(root, dir, name), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.FileExports(parsed)
		for _, declaration := range parsed.Decls {
			for _, each := range split(declaration) {
				var text bytes.Buffer
				require.NoError(t, format.Node(&text, files, each))
				declarations = append(declarations, oneBlock(text.String()))
			}
		}
	}
	slices.Sort(declarations)
	return declarations
}

// split returns a declaration as those of api.txt: no imports, functions without
// bodies, each type on its own.
func split(declaration ast.Decl) (each []ast.Node) {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil && !ast.IsExported(receiver(d.Recv.List[0].Type)) {
			return nil
		}
		d.Body, d.Doc = nil, nil
		return []ast.Node{d}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT || len(d.Specs) == 0 {
			return nil
		}
		d.Doc = nil
		if d.Tok != token.TYPE {
			return []ast.Node{d}
		}
		for _, spec := range d.Specs {
			each = append(each, &ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{spec}})
		}
	}
	return each
}

// receiver returns the name of the type that a method belongs to.
func receiver(of ast.Expr) string {
	switch t := of.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr: // of a generic type
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// oneBlock leaves out empty lines and those that say that something is not
// exported.
func oneBlock(text string) string {
	var kept []string
	for line := range strings.SplitSeq(text, "\n") {
		if trimmed := strings.TrimSpace(line); trimmed != "" && !strings.HasPrefix(trimmed, "//") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

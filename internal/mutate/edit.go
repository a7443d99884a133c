package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// edit replaces octets of a file.
type edit struct {
	file       string // its path in the module, with slashes
	begin, end int
	text       string // what comes in their place
}

// narrow leaves out what begins and ends alike before and after.
func (e edit) narrow(source string) edit {
	for e.begin < e.end && e.text != "" && source[e.begin] == e.text[0] {
		e.begin, e.text = e.begin+1, e.text[1:]
	}
	for e.begin < e.end && e.text != "" && source[e.end-1] == e.text[len(e.text)-1] {
		e.end, e.text = e.end-1, e.text[:len(e.text)-1]
	}
	return e
}

func (e edit) apply(source string) string { return source[:e.begin] + e.text + source[e.end:] }

// source is a file with several edits in it. Each function that has edits also
// has a variant for each of them, of another name, and begins with a switch that
// calls the variant that is chosen. A variable of the package gets another value
// at the start. So one compilation has many mutations.
type source struct {
	text      string
	file      *ast.File
	positions *token.FileSet

	lines map[int]int // a line of a variant, and the number of its edit
}

func readSource(root, file string) (*source, error) {
	octets, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		return nil, err
	}
	s := &source{text: string(octets), positions: token.NewFileSet(), lines: map[int]int{}}
	s.file, err = parser.ParseFile(s.positions, file, octets, parser.SkipObjectResolution)
	return s, err
}

func (s *source) at(position token.Pos) int         { return s.positions.Position(position).Offset }
func (s *source) slice(begin, end token.Pos) string { return s.text[s.at(begin):s.at(end)] }

// around returns the function in whose body an edit is, or nil.
func (s *source) around(e edit) *ast.FuncDecl {
	for _, declaration := range s.file.Decls {
		f, is := declaration.(*ast.FuncDecl)
		if is && f.Body != nil && f.Name.Name != "init" && s.at(f.Body.Lbrace) < e.begin && e.end <= s.at(f.Body.Rbrace) {
			return f
		}
	}
	return nil
}

// variable returns the variable of the package in whose value an edit is, or nil.
func (s *source) variable(e edit) *ast.ValueSpec {
	for _, declaration := range s.file.Decls {
		d, is := declaration.(*ast.GenDecl)
		if !is || d.Tok != token.VAR {
			continue
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			if len(v.Names) == 1 && len(v.Values) == 1 && s.at(v.Values[0].Pos()) <= e.begin && e.end <= s.at(v.Values[0].End()) {
				return v
			}
		}
	}
	return nil
}

// together reports whether an edit can be compiled together with others.
func (s *source) together(e edit) bool { return s.around(e) != nil || s.variable(e) != nil }

// chosen is the variable of a package that has the number of the variant.
const chosen = "mutant__"

// with returns the file with a variant for each edit, by number.
func (s *source) with(edits map[int]edit, numbers []int) string {
	inFunction := map[*ast.FuncDecl][]int{}
	for _, number := range numbers {
		f := s.around(edits[number])
		inFunction[f] = append(inFunction[f], number)
	}
	var out strings.Builder
	written := 0
	for _, declaration := range s.file.Decls {
		f, is := declaration.(*ast.FuncDecl)
		if !is || len(inFunction[f]) == 0 {
			continue
		}
		head, receiver, arguments := s.signature(f)
		out.WriteString(s.text[written:s.at(f.Pos())])
		out.WriteString(head)
		for _, number := range inFunction[f] {
			call := fmt.Sprintf("%s%s(%s)", receiver, variantName(f, number)+typeArguments(f), arguments)
			if f.Type.Results == nil {
				call += "; return"
			} else {
				call = "return " + call
			}
			fmt.Fprintf(&out, " if %s == %d { %s };", chosen, number, call)
		}
		written = s.at(f.Body.Lbrace) + 1
	}
	out.WriteString(s.text[written:])
	line := 1 + strings.Count(out.String(), "\n")
	for _, number := range numbers {
		text := "\n" + s.variant(edits[number], number) + "\n"
		out.WriteString(text)
		for range strings.Count(text, "\n") {
			line++
			s.lines[line] = number
		}
	}
	return out.String()
}

// variant returns the declaration that has an edit.
func (s *source) variant(e edit, number int) string {
	begin, end := token.NoPos, token.NoPos
	f, v := s.around(e), s.variable(e)
	if f != nil {
		begin, end = f.Pos(), f.End()
	} else {
		begin, end = v.Values[0].Pos(), v.Values[0].End()
	}
	e.begin -= s.at(begin)
	e.end -= s.at(begin)
	text := e.apply(s.slice(begin, end))
	if f == nil {
		return fmt.Sprintf("func init() { if %s == %d { %s = %s } }", chosen, number, v.Names[0].Name, text)
	}
	name := s.at(f.Name.Pos()) - s.at(begin)
	return text[:name] + variantName(f, number) + text[name+len(f.Name.Name):]
}

func variantName(f *ast.FuncDecl, number int) string {
	return fmt.Sprintf("%s__%d", f.Name.Name, number)
}

// typeArguments are those by which a generic function calls its variant.
func typeArguments(f *ast.FuncDecl) string {
	if f.Type.TypeParams == nil {
		return ""
	}
	var names []string
	for _, field := range f.Type.TypeParams.List {
		for _, name := range field.Names {
			names = append(names, name.Name)
		}
	}
	return "[" + strings.Join(names, ", ") + "]"
}

// signature returns the beginning of a function up to its brace, with a name for
// the receiver and for every parameter, and what calls a variant of it.
func (s *source) signature(f *ast.FuncDecl) (head, receiver, arguments string) {
	head = "func "
	if f.Recv != nil {
		field := f.Recv.List[0]
		name := "r__"
		if len(field.Names) > 0 && field.Names[0].Name != "_" {
			name = field.Names[0].Name
		}
		receiver = name + "."
		head += "(" + name + " " + s.slice(field.Type.Pos(), field.Type.End()) + ") "
	}
	head += f.Name.Name
	if types := f.Type.TypeParams; types != nil {
		head += s.slice(types.Pos(), types.End())
	}
	var parameters, passed []string
	for _, field := range f.Type.Params.List {
		names := field.Names
		if len(names) == 0 {
			names = []*ast.Ident{ast.NewIdent("_")}
		}
		for _, ident := range names {
			name := ident.Name
			if name == "_" {
				name = fmt.Sprintf("p__%d", len(passed))
			}
			parameters = append(parameters, name+" "+s.slice(field.Type.Pos(), field.Type.End()))
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				name += "..."
			}
			passed = append(passed, name)
		}
	}
	head += "(" + strings.Join(parameters, ", ") + ")"
	if results := f.Type.Results; results != nil {
		head += " " + s.slice(results.Pos(), results.End())
	}
	return head + " {", receiver, strings.Join(passed, ", ")
}

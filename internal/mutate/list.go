package main

import (
	"bytes"
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// mutation is a change to one file of the module.
type mutation struct {
	file  string   // its path in the module, with slashes
	by    string   // the package whose tests find it; "": its own
	was   []string // lines, the first and the last perhaps in part
	is    []string // what is there instead; empty: nothing
	tests string   // a regexp of the tests, one of which must fail
	alive string   // why none can fail; "": one must
	where string   // it is in the list

	line int // of the file
}

// dir is the package whose tests find it.
func (m *mutation) dir() string { return cmp.Or(m.by, path.Dir(m.file)) }

func (m *mutation) String() string {
	is := strings.Join(m.is, " ")
	if is == "" {
		is = "nothing"
	}
	return fmt.Sprintf("%q -> %q", strings.Join(m.was, " "), is)
}

// lists are files of blocks, with an empty line between each two. In a block
// lines that begin with "-" are the text that goes, with "+" the text that comes
// in its place, with "?" the tests, and with "~" the reason why none of them
// fails. How a line is indented does not matter. "== FILE" begins the mutations
// of a file, "== FILE tested by PACKAGE" those that the tests of another package
// find, and "#" a comment.
//
//go:embed list/*.txt
var lists embed.FS

// readList reads the lists of these names, with commas between them; "" is all.
func readList(some string) (list []*mutation, err error) {
	names, err := fs.Glob(lists, "list/*.txt")
	if err != nil {
		return nil, err
	}
	if some != "" {
		names = nil
		for name := range strings.SplitSeq(some, ",") {
			names = append(names, "list/"+name+".txt")
		}
	}
	for _, name := range names {
		text, err := lists.ReadFile(name)
		if err != nil {
			return nil, err
		}
		more, err := parseList(name, string(text))
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

func parseList(name, text string) (list []*mutation, err error) {
	file, by := "", ""
	var m *mutation
	for i, line := range strings.Split(text+"\n", "\n") {
		where := fmt.Sprintf("%s:%d", name, i+1)
		if strings.TrimSpace(line) == "" {
			if m != nil {
				if err := m.check(); err != nil {
					return nil, err
				}
				list = append(list, m)
			}
			m = nil
			continue
		}
		if under, is := strings.CutPrefix(line, "== "); is {
			file, by, _ = strings.Cut(under, " tested by ")
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		if m == nil {
			m = &mutation{file: file, by: by, where: where}
		}
		rest := strings.TrimSpace(line[1:])
		switch line[0] {
		case '-':
			m.was = append(m.was, rest)
		case '+':
			m.is = append(m.is, rest)
		case '?':
			m.tests = rest
		case '~':
			m.alive = strings.TrimSpace(m.alive + " " + rest)
		default:
			return nil, fmt.Errorf("%s: %q begins with none of == # - + ? ~", where, line)
		}
	}
	return list, nil
}

func (m *mutation) check() error {
	_, err := regexp.Compile(m.tests)
	switch {
	case m.file == "":
		return fmt.Errorf("%s: no file: == PATH is missing", m.where)
	case len(m.was) == 0:
		return fmt.Errorf("%s: nothing goes: a line that begins with - is missing", m.where)
	case m.tests == "":
		return fmt.Errorf("%s: no tests: a line that begins with ? is missing", m.where)
	}
	return err
}

// find returns the edit, and the line that it begins on.
func (m *mutation) find(root string) (e edit, line int, err error) {
	octets, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		return edit{}, 0, err
	}
	var was []string
	for _, line := range m.was {
		was = append(was, regexp.QuoteMeta(line))
	}
	found := regexp.MustCompile(strings.Join(was, `\n[\t ]*`)).FindAllIndex(octets, -1)
	switch len(found) {
	case 0:
		return edit{}, 0, errors.New("the file does not have this text")
	case 1:
		begin, end := found[0][0], found[0][1]
		line := 1 + bytes.Count(octets[:begin], []byte("\n"))
		return edit{m.file, begin, end, strings.Join(m.is, "\n")}, line, nil
	}
	return edit{}, 0, fmt.Errorf("the file has this text %d times: more of the lines around it tells them apart", len(found))
}

package maildir

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// uidlOf is the unique-id that Options.UIDL knows of the message in a file.
type uidlOf func(name string) string

// uidls asks Options.UIDL about a Maildir. It returns nil if there is none.
func (s *Store) uidls(home *os.Root) (uidlOf, error) {
	if s.options.UIDL == nil {
		return nil, nil
	}
	find, err := s.options.UIDL(homeFS{home})
	if err != nil {
		return nil, fmt.Errorf("find the unique-ids: %w", err)
	}
	return find, nil
}

// learnUIDLs asks for the unique-ids of the mailbox.
func (s *session) learnUIDLs() error {
	if s.store.options.UIDL == nil {
		return nil
	}
	home, err := s.store.openHome(s.dir)
	if err != nil {
		return err
	}
	defer home.Close()
	s.uidlOf, err = s.store.uidls(home)
	return err
}

// homeFS is a Maildir as a file system, which does not wait if another program
// has put a pipe in the place of a file.
type homeFS struct{ root *os.Root }

// Open implements [fs.FS].
func (f homeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return f.root.OpenFile(name, os.O_RDONLY|openNonblock, 0)
}

// uidlList are the unique-ids of a file, by message ID.
type uidlList map[string]string

func (l uidlList) of(name string) string { return l[idOf(name)] }

// maxUIDLFile is the largest file that is read for unique-ids, in octets.
const maxUIDLFile = 64 << 20

// readUIDLs reads a file whose first line is a header, and each other the
// unique-id of a file name. A last line without its end is being written.
func readUIDLs(mailbox fs.FS, name string, header func(string) error, line func(string) (file, uidl string)) (uidlList, error) {
	file, err := mailbox.Open(name)
	if notThere(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case info.Size() > maxUIDLFile:
		return nil, fmt.Errorf("%s: %d octets, %d are the limit", name, info.Size(), maxUIDLFile)
	}
	lines := bufio.NewReader(io.LimitReader(file, maxUIDLFile))
	var uidls uidlList
	for {
		text, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			if uidls == nil && info.Size() > 0 {
				return nil, fmt.Errorf("%s: no header", name)
			}
			return uidls, nil
		}
		if err != nil {
			return nil, err
		}
		text = strings.TrimSuffix(text, "\n")
		if uidls == nil {
			uidls = uidlList{}
			if err := header(text); err != nil {
				return nil, fmt.Errorf("%s: header %q: %w", name, text, err)
			}
			continue
		}
		if file, uidl := line(text); uidl != "" {
			uidls[idOf(file)] = uidl
		}
	}
}

// withoutInfo is a file name up to its flags.
func withoutInfo(name string) string {
	base, _, _ := strings.Cut(name, ":")
	return base
}

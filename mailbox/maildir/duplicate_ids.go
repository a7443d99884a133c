package maildir

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// resolveDuplicates looks at the files that share an ID with another. A second
// name of the same file (a program that moves by link and unlink is at work, or
// was interrupted) is marked as an alias. A different file gets a new ID.
// unchanged is false if a file was renamed, here or by another program, so that
// the mailbox must be read again.
func (f *folder) resolveDuplicates(entries []entry) (_ []entry, unchanged bool, err error) {
	unchanged = true
	kept := entries[:0]
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[0].compareID(entries[n].id(), entries[n].time) == 0 {
			n++
		}
		group := entries[:n]
		entries = entries[n:]
		if n > 1 {
			var same bool
			if group, same, err = f.resolveGroup(group); err != nil {
				return nil, false, err
			}
			unchanged = unchanged && same
		}
		kept = append(kept, group...)
	}
	return kept, unchanged, nil
}

// resolveGroup is resolveDuplicates for the files of one ID.
func (f *folder) resolveGroup(group []entry) (_ []entry, unchanged bool, err error) {
	unchanged = true
	var first fs.FileInfo
	var kept []entry
	for _, e := range group {
		root := f.roots[e.place]
		info, err := root.Lstat(e.name)
		switch {
		case notThere(err):
			unchanged = false
			continue
		case err != nil:
			return nil, false, err
		case first == nil:
			first = info
		case os.SameFile(first, info):
			e.alias = true
		default:
			unchanged = false
			err := root.Rename(e.name, renamed(e.name, f.store.mint.id()))
			if err == nil {
				err = f.store.syncDir(root, ".")
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, false, err
			}
			continue
		}
		kept = append(kept, e)
	}
	return slices.Clip(kept), unchanged, nil
}

// maxName is the longest file name, in octets.
const maxName = 255

// renamed is name with another ID. Sizes and flags stay. A foreign unique-id is
// dropped, because the message that keeps the ID shows it. Fields of other
// programs are dropped if there is no room for them.
func renamed(name, id string) string {
	fields, info, hasInfo := strings.Cut(name[len(idOf(name)):], string(infoSeparator))
	if hasInfo {
		info = string(infoSeparator) + info
	}
	var all, sizes strings.Builder
	for field := range strings.SplitSeq(fields, ",") {
		if field == "" || strings.HasPrefix(field, uidlField) {
			continue
		}
		all.WriteString("," + field)
		if strings.HasPrefix(field, sizeField) || strings.HasPrefix(field, wireField) {
			sizes.WriteString("," + field)
		}
	}
	if to := id + all.String() + info; len(to) <= maxName {
		return to
	}
	return id + sizes.String() + info
}

package maildir

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// separate looks at files that have one ID. A second name of the same file (a
// program that moves by link and unlink was interrupted or is at it) becomes a
// twin. A different file gets a new ID. alone is false when something was
// renamed, here or meanwhile, so that the maildrop must be read again.
func (f *folder) separate(entries []entry, mint *mint) (_ []entry, alone bool, err error) {
	alone = true
	kept := entries[:0]
	for len(entries) > 0 {
		n := 1
		for n < len(entries) && entries[0].compareID(entries[n].id(), entries[n].time) == 0 {
			n++
		}
		family := entries[:n]
		entries = entries[n:]
		if n > 1 {
			var same bool
			if family, same, err = f.separateFamily(family, mint); err != nil {
				return nil, false, err
			}
			alone = alone && same
		}
		kept = append(kept, family...)
	}
	return kept, alone, nil
}

func (f *folder) separateFamily(family []entry, mint *mint) (_ []entry, alone bool, err error) {
	alone = true
	var first fs.FileInfo
	var kept []entry
	for _, e := range family {
		root := f.roots[e.place]
		info, err := root.Lstat(e.name)
		switch {
		case notThere(err):
			alone = false
			continue
		case err != nil:
			return nil, false, err
		case first == nil:
			first = info
		case os.SameFile(first, info):
			e.twin = true
		default:
			alone = false
			err := root.Rename(e.name, renamed(e.name, mint.id()))
			if err == nil {
				err = syncDir(root, ".")
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, false, err
			}
			continue
		}
		kept = append(kept, e)
	}
	return slices.Clip(kept), alone, nil
}

// maxName is the longest file name, in octets.
const maxName = 255

// renamed is name with another ID. Sizes and flags stay; a foreign unique-id is
// dropped, because the message that keeps the ID shows it. What other programs
// put there goes where there is no room for it.
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

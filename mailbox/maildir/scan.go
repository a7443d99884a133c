package maildir

import (
	"cmp"
	"context"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// place is where a message's file is.
type place uint8

const (
	inNew place = iota
	inCur
	places
)

var placeNames = [places]string{inNew: "new", inCur: "cur"}

// entry is a file of a message.
type entry struct {
	time     int64 // of the ID
	name     string
	idLength uint16 // the ID is the beginning of the name
	place    place
	alias    bool // a second name of the same file as the entry before
	lost     bool // not there any more; perhaps renamed
	gone     bool // removed, for certain
}

func (e *entry) id() string { return e.name[:e.idLength] }

// compareID is the order of a listing: by time, then by ID. at is the time of
// id.
func (e *entry) compareID(id string, at int64) int {
	if e.time != at {
		return cmp.Compare(e.time, at)
	}
	return strings.Compare(e.id(), id)
}

// compareEntries is the order of a listing. Of two files with one ID the one in
// cur comes first.
func compareEntries(a, b entry) int {
	if order := a.compareID(b.id(), b.time); order != 0 {
		return order
	}
	return cmp.Or(cmp.Compare(b.place, a.place), strings.Compare(a.name, b.name))
}

// folder holds new and cur of a mailbox open; one that is not there is nil.
type folder struct {
	store *Store
	roots [places]*os.Root
}

// openFolder opens the mailbox in directory dir of the store.
func (s *Store) openFolder(dir string) (*folder, error) {
	home, err := s.openHome(dir)
	if notThere(err) {
		return &folder{store: s}, nil
	}
	if err != nil {
		return nil, err
	}
	defer home.Close()
	return s.openFolderAt(home)
}

func (s *Store) openFolderAt(home *os.Root) (*folder, error) {
	f := &folder{store: s}
	for p, name := range placeNames {
		root, err := home.OpenRoot(name)
		if notThere(err) {
			continue
		}
		if err != nil {
			f.close()
			return nil, err
		}
		f.roots[p] = root
	}
	return f, nil
}

// root returns the directory that a file was seen in. If there is none any
// more, the error is that of a file that is not there: another program may
// remove a mailbox under a session.
func (f *folder) root(e *entry) (*os.Root, error) {
	root := f.roots[e.place]
	if root == nil {
		return nil, &fs.PathError{Op: "open", Path: placeNames[e.place], Err: fs.ErrNotExist}
	}
	return root, nil
}

// open opens the file of a message. It does not wait, even if another program
// has put a pipe in its place.
func (f *folder) open(e *entry) (*os.File, error) {
	root, err := f.root(e)
	if err != nil {
		return nil, err
	}
	return root.OpenFile(e.name, os.O_RDONLY|openNonblock, 0)
}

func (f *folder) lstat(e *entry) (fs.FileInfo, error) {
	root, err := f.root(e)
	if err != nil {
		return nil, err
	}
	return root.Lstat(e.name)
}

func (f *folder) remove(e *entry) error {
	root, err := f.root(e)
	if err != nil {
		return err
	}
	return root.Remove(e.name)
}

// complete reports whether both directories are there.
func (f *folder) complete() bool { return f.roots[inNew] != nil && f.roots[inCur] != nil }

func (f *folder) close() {
	for _, root := range f.roots {
		if root != nil {
			_ = root.Close()
		}
	}
}

const (
	// maxScans is how often a directory that keeps changing is read.
	maxScans = 8

	// timeGrain is longer than the time of a directory can lag behind the clock:
	// file systems take it from the tick of the kernel, which is 10 ms at most.
	timeGrain = 20 * time.Millisecond

	// coarseGrain is the same on a file system that keeps whole seconds (ext4
	// with small inodes, HFS+, some of NFS) or every other one (FAT).
	coarseGrain = 2*time.Second + timeGrain

	// patience is how long a scan waits in all.
	patience = 2 * coarseGrain
)

// scan lists the files of the messages, sorted by [compareEntries].
//
// A directory that is read while files in it are renamed may show one of them
// under neither name. In new, names come and go but do not change, and a file
// that leaves new is in cur before cur is read. So a reading misses nothing if
// cur did not change from before new was read until after cur was read: it is
// settled. The time of cur shows that, provided it is so old that a further
// change would show in it; scan waits until it is. A reading that is not
// settled is repeated. If cur changes all the time, the result is everything
// that was seen: a message is then missing only if it was renamed during each
// of the readings.
func (f *folder) scan(ctx context.Context) (entries []entry, settled bool, err error) {
	left := patience
	for range maxScans {
		if err := f.awaitQuiet(ctx, &left); err != nil {
			return nil, false, err
		}
		found, settled, err := f.glance(ctx)
		if err != nil || settled {
			return found, settled, err
		}
		entries = merge(entries, found, false)
	}
	return entries, false, nil
}

// glance is one reading of a scan, without the waiting.
func (f *folder) glance(ctx context.Context) (entries []entry, settled bool, err error) {
	before, grain, err := f.changed()
	if err != nil {
		return nil, false, err
	}
	telling := time.Since(before).Abs() >= grain
	entries, err = f.read(ctx)
	if err != nil {
		return nil, false, err
	}
	entries, unchanged, err := f.resolveDuplicates(entries)
	if err != nil {
		return nil, false, err
	}
	after, _, err := f.changed()
	return entries, unchanged && telling && after.Equal(before), err
}

// awaitQuiet waits, if cur changed a moment ago, until a further change would
// give it another time, but no longer than left, from which it takes what it
// waited.
func (f *folder) awaitQuiet(ctx context.Context, left *time.Duration) error {
	last, grain, err := f.changed()
	if err != nil {
		return err
	}
	age := time.Since(last)
	wait := min(grain-age, *left)
	if age.Abs() >= grain || wait <= 0 {
		return nil
	}
	*left -= wait
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// changed is when an entry of cur last changed, and how old that time must be
// before a further change is sure to give another.
func (f *folder) changed() (last time.Time, grain time.Duration, err error) {
	// A time without a fraction may be one that the file system cut. If both
	// directories have such a time, it probably is.
	grain = timeGrain
	for _, root := range []*os.Root{f.roots[inCur], f.roots[inNew]} {
		if root == nil {
			continue
		}
		info, err := root.Stat(".")
		if err != nil {
			return time.Time{}, 0, err
		}
		if root == f.roots[inCur] {
			last = info.ModTime()
		}
		if info.ModTime().Nanosecond() != 0 {
			return last, timeGrain, nil
		}
		grain = coarseGrain
	}
	return last, grain, nil
}

// read reads both directories once, new first.
func (f *folder) read(ctx context.Context) ([]entry, error) {
	var entries []entry
	for p, root := range f.roots {
		if root == nil {
			continue
		}
		err := readDir(root, func(files []fs.DirEntry) error {
			for _, file := range files {
				name := file.Name()
				id := idOf(name)
				if id == "" || len(id) > math.MaxUint16 || !file.Type().IsRegular() {
					continue
				}
				entries = append(entries, entry{time: timeOf(id), name: name, idLength: uint16(len(id)), place: place(p)})
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(entries, compareEntries)
	return entries, nil
}

// merge updates the entries of a mailbox with a newer reading. An entry that is
// not in the newer reading stays, and is gone if that reading was settled. Both
// are sorted, and so is the result.
func merge(old, newer []entry, settled bool) []entry {
	if len(old) == 0 {
		return newer
	}
	merged := make([]entry, 0, max(len(old), len(newer)))
	for len(old) > 0 {
		order := 1
		if len(newer) > 0 {
			order = newer[0].compareID(old[0].id(), old[0].time)
		}
		if order <= 0 {
			merged = append(merged, newer[0])
			for len(old) > 0 && newer[0].compareID(old[0].id(), old[0].time) == 0 {
				old = old[1:]
			}
			newer = newer[1:]
			continue
		}
		left := old[0]
		left.gone = left.gone || settled
		merged = append(merged, left)
		old = old[1:]
	}
	return append(merged, newer...)
}

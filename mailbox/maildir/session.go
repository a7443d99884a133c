package maildir

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/popcask/popcask/mailbox"
)

// session is a mailbox for the length of one POP3 session.
type session struct {
	store     *Store
	user, dir string
	folder    *folder // nil until needed
	entries   []entry // where the files were when last looked at
}

// Messages implements [mailbox.Mailbox]. It reads the directories when the range
// begins.
func (s *session) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		if err := s.list(ctx); err != nil {
			yield(mailbox.Message{}, failed("list mailbox", err))
			return
		}
		for _, e := range s.entries {
			if e.alias || e.gone {
				continue
			}
			if !yield(s.store.message(s.dir, e.name), nil) {
				return
			}
		}
	}
}

// message is what the name of a file says, with the size that was learned by
// reading it if there is one.
func (s *Store) message(dir, name string) mailbox.Message {
	f := fieldsOf(name)
	m := mailbox.Message{ID: idOf(name), UIDL: f.uidl, Size: f.wire}
	if !s.sizes.empty() {
		if size, known := s.sizes.get(messageKey{dir, m.ID}); known {
			m.Size = size
		}
	}
	return m
}

func (s *session) list(ctx context.Context) error {
	if err := s.store.begin(); err != nil {
		return err
	}
	defer s.store.work.Done()
	s.entries = nil
	_, err := s.refresh(ctx, (*folder).scan)
	return err
}

// refresh updates the entries with where the files are now. settled means that a
// message does not exist if it is not among the entries or is gone there.
func (s *session) refresh(ctx context.Context, look look) (settled bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if s.folder == nil || !s.folder.complete() {
		folder, err := s.store.openFolder(s.dir)
		if err != nil {
			return false, err
		}
		if s.folder != nil {
			s.folder.close()
		}
		s.folder = folder
	}
	if err := s.store.at(stepList); err != nil {
		return false, err
	}
	entries, settled, err := look(s.folder, ctx)
	if err != nil {
		return false, err
	}
	s.entries = merge(s.entries, entries, settled)
	return settled, nil
}

// look is how a session finds its files: [folder.scan], or [folder.glance] if
// they were seen before and have only moved.
type look func(*folder, context.Context) (entries []entry, settled bool, err error)

func lookAgain(seen bool) look {
	if seen {
		return (*folder).glance
	}
	return (*folder).scan
}

// files returns the entries of a message, none for one that was never seen.
func (s *session) files(id string) []entry {
	at := timeOf(id)
	first, found := slices.BinarySearchFunc(s.entries, id, func(e entry, id string) int { return e.compareID(id, at) })
	if !found {
		return nil
	}
	last := first + 1
	for last < len(s.entries) && s.entries[last].compareID(id, at) == 0 {
		last++
	}
	return s.entries[first:last]
}

// Open implements [mailbox.Mailbox]. In the ordinary case it costs an open and
// an fstat, because the listing has the name. If another program has renamed
// the file since, the directories are read again.
func (s *session) Open(ctx context.Context, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
	if err := s.store.begin(); err != nil {
		return nil, failed("open message", err)
	}
	defer s.store.work.Done()
	err := s.store.at(stepOpen)
	var body io.ReadCloser
	if err == nil {
		body, err = s.open(ctx, id)
	}
	if err != nil {
		return nil, failed(fmt.Sprintf("open message %q", id), err)
	}
	return body, nil
}

func (s *session) open(ctx context.Context, id string) (io.ReadCloser, error) {
	settled := false
	for range maxScans {
		files, seen := s.files(id), false
		for i := range files {
			e := &files[i]
			if e.gone {
				return nil, mailbox.ErrNotFound
			}
			if e.lost {
				continue
			}
			file, err := s.folder.open(e)
			if err == nil {
				return s.store.reader(file, messageKey{s.dir, id}, fieldsOf(e.name))
			}
			if !notThere(err) {
				return nil, err
			}
			e.lost, seen = true, true
		}
		if settled && len(files) == 0 {
			return nil, mailbox.ErrNotFound
		}
		var err error
		if settled, err = s.refresh(ctx, lookAgain(seen)); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the mailbox changes all the time", mailbox.ErrTemporary)
}

// Close implements [mailbox.Mailbox].
func (s *session) Close() error {
	if s.folder != nil {
		s.folder.close()
		s.folder = nil
	}
	s.entries = nil
	return nil
}

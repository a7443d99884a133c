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
	uidlOf    uidlOf
}

// Messages implements [mailbox.Mailbox]. It reads the directories when the range
// begins.
func (s *session) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		if err := s.list(ctx); err != nil {
			yield(mailbox.Message{}, failed("list mailbox", err))
			return
		}
		before := s.expire(ctx)
		for _, e := range s.entries {
			if e.alias || e.gone || e.isOld(before) {
				continue
			}
			if !yield(s.store.message(s.dir, e.name, s.uidlOf), nil) {
				return
			}
		}
	}
}

// message is what the name of a file says, with the size that was learned by
// reading it if there is one, and the unique-id that uidlOf has if that is not
// nil.
func (s *Store) message(dir, name string, uidlOf uidlOf) mailbox.Message {
	f := fieldsOf(name)
	m := mailbox.Message{ID: idOf(name), UIDL: f.uidl, Size: f.wire}
	if uidlOf != nil && m.UIDL == "" && !minted(m.ID) {
		if uidl := uidlOf(name); uidl != "" {
			m.UIDL = mailbox.SafeUIDL(uidl)
		}
	}
	if !s.sizes.empty() {
		if size, known := s.sizes.get(messageKey{dir, m.ID}); known {
			m.Size = size.wire
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
	if _, err := s.refresh(ctx, (*folder).scan); err != nil || len(s.entries) == 0 {
		return err
	}
	return s.learnUIDLs()
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

// Open implements [mailbox.Mailbox]. In the ordinary case it costs an open, an
// fstat and a read of the file's end, because the listing has the name. If
// another program has renamed the file since, the directories are read again.
// The reader is a [mailbox.SizedBody]. If its size is not certain, and the whole
// message is asked for, Open counts first.
//
// A message that a plugin of Dovecot has compressed or encrypted is
// [mailbox.ErrPermanent].
func (s *session) Open(ctx context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := s.find(ctx, id, func(e *entry) (err error) {
		body, err = s.read(ctx, e, options.For)
		return err
	})
	if err != nil {
		return nil, failed(fmt.Sprintf("open message %q", id), err)
	}
	return body, nil
}

// Size implements [mailbox.Sizer]: it counts, and remembers the number. If the
// file cannot be read, Size returns the best number to be had without that, so
// that one such file does not hide the sizes of all others: S= of its name, or
// the octets of the file. To open that message is an error all the same.
func (s *session) Size(ctx context.Context, id string) (int64, error) {
	size := int64(-1)
	err := s.find(ctx, id, func(e *entry) (err error) {
		size, err = s.measure(ctx, e)
		return err
	})
	if err != nil {
		return 0, failed(fmt.Sprintf("size of message %q", id), err)
	}
	return size, nil
}

func (s *session) measure(ctx context.Context, e *entry) (int64, error) {
	body, err := s.read(ctx, e, mailbox.Retrieve)
	if err == nil {
		defer body.Close()
		return body.CanonicalSize(), nil
	}
	if notThere(err) || ctx.Err() != nil {
		return 0, err
	}
	if f := fieldsOf(e.name); f.file >= 0 {
		return f.file, nil
	}
	info, err := s.folder.lstat(e)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (s *session) read(ctx context.Context, e *entry, purpose mailbox.Purpose) (mailbox.SizedBody, error) {
	file, err := s.folder.open(e)
	if err != nil {
		return nil, err
	}
	return s.store.reader(ctx, file, messageKey{s.dir, e.id()}, fieldsOf(e.name), purpose)
}

// find calls use with a file of a message, and again with another if that one is
// not there any more.
func (s *session) find(ctx context.Context, id string, use func(e *entry) error) error {
	if err := s.store.begin(); err != nil {
		return err
	}
	defer s.store.work.Done()
	if err := s.store.at(stepOpen); err != nil {
		return err
	}
	settled := false
	for range maxScans {
		files, seen := s.files(id), false
		for i := range files {
			e := &files[i]
			if e.gone {
				return mailbox.ErrNotFound
			}
			if e.lost {
				continue
			}
			if err := use(e); !notThere(err) {
				return err
			}
			e.lost, seen = true, true
		}
		if settled && len(files) == 0 {
			return mailbox.ErrNotFound
		}
		var err error
		if settled, err = s.refresh(ctx, lookAgain(seen)); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: the mailbox changes all the time", mailbox.ErrTemporary)
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

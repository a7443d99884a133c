package maildir

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/popcask/popcask/mailbox"
)

// draft is a message on its way to one recipient: a file in tmp, then in new.
type draft struct {
	store *Store
	dir   string // of the user
	home  *os.Root
	file  *os.File
	tmp   string // its name while it is in tmp, empty after that
	size  int64  // octets written
}

// newDraft creates the file.
func (s *Store) newDraft(dir string) (*draft, error) {
	d, err := s.createDraft(dir)
	if notThere(err) { // the maildrop was removed since it was last made
		s.homes.drop(dir)
		d, err = s.createDraft(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := s.at(stepCreated); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (s *Store) createDraft(dir string) (*draft, error) {
	home, err := s.makeHome(dir)
	if err != nil {
		return nil, err
	}
	tmp := "tmp/" + s.mint.id()
	file, err := home.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		_ = home.Close()
		return nil, err
	}
	return &draft{store: s, dir: dir, home: home, file: file, tmp: tmp}, nil
}

// Write implements [io.Writer].
func (d *draft) Write(p []byte) (int, error) {
	if err := d.store.at(stepWrite); err != nil {
		return 0, err
	}
	n, err := d.file.Write(p)
	d.size += int64(n)
	return n, err
}

// copyFrom appends the last size octets of another draft, which is the body.
func (d *draft) copyFrom(spool *draft, size int64) error {
	if err := d.store.at(stepWrite); err != nil {
		return err
	}
	if _, err := spool.file.Seek(spool.size-size, io.SeekStart); err != nil {
		return err
	}
	// From file to file the kernel copies, or shares the blocks.
	n, err := io.CopyN(d.file, spool.file, size)
	d.size += n
	return err
}

// publish moves the file to new, after it is safe on disk, and returns when the
// move is.
func (d *draft) publish(ctx context.Context, delivery mailbox.Delivery) (mailbox.Message, error) {
	s := d.store
	if err := s.at(stepWritten); err != nil {
		return mailbox.Message{}, err
	}
	if err := d.file.Sync(); err != nil {
		return mailbox.Message{}, err
	}
	if err := s.at(stepSynced); err != nil {
		return mailbox.Message{}, err
	}
	uidl := delivery.UIDL
	if uidl != "" {
		unlock, err := s.locker.lock(ctx, d.home)
		if err != nil {
			return mailbox.Message{}, fmt.Errorf("lock the maildrop: %w", err)
		}
		defer unlock()
		uidl = mailbox.SafeUIDL(uidl)
	}
	if uidl != "" || s.options.Quota > 0 {
		shown, octets, err := d.survey(ctx, uidl)
		switch {
		case err != nil:
			return mailbox.Message{}, err
		case s.options.Quota > 0 && octets+d.size > s.options.Quota:
			return mailbox.Message{}, fmt.Errorf("%w: %d octets and %d more, %d are the limit", mailbox.ErrOverQuota, octets, d.size, s.options.Quota)
		case shown:
			uidl = ""
		}
	}

	message := mailbox.Message{ID: s.mint.id(), UIDL: uidl, Size: d.size}
	name := "new/" + fileName(message.ID, d.size, uidl)
	if err := d.rename(name); err != nil {
		return mailbox.Message{}, err
	}
	d.tmp = ""
	err := s.at(stepRenamed)
	if err == nil && !delivery.Received.IsZero() {
		// Other programs take it for the time of arrival. In tmp an old one
		// would look stale.
		err = d.home.Chtimes(name, delivery.Received, delivery.Received)
	}
	if err == nil {
		err = syncDir(d.home, "new")
	}
	if err == nil {
		err = s.at(stepListed)
	}
	if err != nil {
		_ = d.home.Remove(name) // nobody was told of it
		return mailbox.Message{}, err
	}
	return message, nil
}

// rename moves the file to new, which it makes again where it was removed since
// the maildrop was last made.
func (d *draft) rename(name string) error {
	err := d.home.Rename(d.tmp, name)
	if !notThere(err) {
		return err
	}
	d.store.homes.drop(d.dir)
	home, err := d.store.makeHome(d.dir)
	if err != nil {
		return err
	}
	_ = home.Close()
	return d.home.Rename(d.tmp, name)
}

// survey tells whether a message of the maildrop shows uidl, and how many octets
// the files have.
func (d *draft) survey(ctx context.Context, uidl string) (shown bool, octets int64, err error) {
	folder, err := openFolderAt(d.home)
	if err != nil {
		return false, 0, err
	}
	defer folder.close()
	entries, _, err := folder.scan(ctx, &d.store.mint)
	if err != nil {
		return false, 0, err
	}
	for _, e := range entries {
		if e.twin {
			continue
		}
		if mailbox.UIDL(d.store.message(d.dir, e.name)) == uidl {
			shown = true
		}
		if d.store.options.Quota <= 0 {
			continue
		}
		size := fieldsOf(e.name).file
		if size < 0 {
			info, err := folder.roots[e.place].Lstat(e.name)
			if notThere(err) {
				continue
			}
			if err != nil {
				return false, 0, err
			}
			size = info.Size()
		}
		octets += size
	}
	return shown, octets, nil
}

// close closes what is open, and removes the file if it still is in tmp.
func (d *draft) close() {
	_ = d.file.Close()
	if d.tmp != "" {
		_ = d.home.Remove(d.tmp)
	}
	_ = d.home.Close()
}

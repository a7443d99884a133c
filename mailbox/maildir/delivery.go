package maildir

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// delivery is a message on its way to one recipient: a file in tmp, then in new.
type delivery struct {
	store *Store
	dir   string // of the user
	home  *os.Root
	file  *os.File
	tmp   string // its name while it is in tmp, then empty
	size  int64  // octets written
}

// newDelivery creates the file in tmp.
func (s *Store) newDelivery(dir string) (*delivery, error) {
	d, err := s.createDelivery(dir)
	if notThere(err) { // the mailbox was removed since it was last made
		s.homes.forget(dir)
		d, err = s.createDelivery(dir)
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

func (s *Store) createDelivery(dir string) (*delivery, error) {
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
	d := &delivery{store: s, dir: dir, home: home, file: file, tmp: tmp}
	if mode := s.options.FileMode; mode != 0 {
		if err := file.Chmod(mode); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// Write implements [io.Writer].
func (d *delivery) Write(p []byte) (int, error) {
	if err := d.store.at(stepWrite); err != nil {
		return 0, err
	}
	n, err := d.file.Write(p)
	d.size += int64(n)
	return n, err
}

// copyFrom appends the last size octets of another delivery, which are the body.
func (d *delivery) copyFrom(spool *delivery, size int64) error {
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

// publish moves the file to new. It does so after the content is safe on disk,
// and returns after the move is.
func (d *delivery) publish(ctx context.Context, uidl string, received time.Time) (mailbox.Message, error) {
	if err := d.sync(); err != nil {
		return mailbox.Message{}, err
	}
	if uidl != "" {
		unlock, err := d.store.locker.lock(ctx, d.home)
		if err != nil {
			return mailbox.Message{}, fmt.Errorf("lock the mailbox: %w", err)
		}
		defer unlock()
	}
	uidl, err := d.settle(ctx, uidl)
	if err != nil {
		return mailbox.Message{}, err
	}
	message := mailbox.Message{ID: d.store.mint.id(), UIDL: uidl, Size: d.size}
	if err := d.move(message.ID, fileName(message.ID, d.size, uidl), received); err != nil {
		return mailbox.Message{}, err
	}
	return message, nil
}

func (d *delivery) sync() error {
	if err := d.store.at(stepWritten); err != nil {
		return err
	}
	if err := d.store.sync(d.file); err != nil {
		return err
	}
	return d.store.at(stepSynced)
}

// settle returns the unique-id of its own that the message gets, as
// [mailbox.Delivery.UIDL] asks, or an error if the message does not fit into
// the quota. If uidl is not empty, the caller holds the lock of the mailbox
// until the message is in new.
func (d *delivery) settle(ctx context.Context, uidl string) (string, error) {
	quota := d.store.options.Quota
	if uidl == "" && quota <= 0 {
		return "", nil
	}
	if uidl != "" {
		uidl = mailbox.SafeUIDL(uidl)
	}
	shown, octets, err := d.survey(ctx, uidl)
	switch {
	case err != nil:
		return "", err
	case quota > 0 && octets+d.size > quota:
		return "", fmt.Errorf("%w: %d octets and %d more, %d are the limit", mailbox.ErrOverQuota, octets, d.size, quota)
	case shown:
		return "", nil
	}
	return uidl, nil
}

// move moves the file from tmp to new. With an error the message is not in the
// mailbox, or the error says that it may be.
func (d *delivery) move(id, name string, received time.Time) error {
	if !received.IsZero() {
		// Other programs take it for the time of arrival. It is set at the last
		// moment, because an old file in tmp looks stale: if a program removes
		// it even so, the rename fails, and the sender tries again. After the
		// rename the file may be somewhere else.
		if err := d.home.Chtimes(d.tmp, received, received); err != nil {
			return err
		}
	}
	dir, err := d.rename(id, name)
	if notThere(err) { // new was removed since the mailbox was last made
		d.store.homes.forget(d.dir)
		home, homeErr := d.store.makeHome(d.dir)
		if homeErr != nil {
			return homeErr
		}
		_ = home.Close()
		dir, err = d.rename(id, name)
	}
	if err != nil {
		return err
	}
	d.tmp = ""
	err = d.store.syncAndClose(dir)
	if err == nil {
		err = d.store.at(stepListed)
	}
	if err != nil {
		return d.withdraw(id, err)
	}
	return nil
}

// rename moves the file to new, and returns that directory. It is opened before,
// so that nothing can fail after the rename but the sync.
func (d *delivery) rename(id, name string) (dir *os.File, err error) {
	dir, err = d.home.Open("new")
	if err != nil {
		return nil, err
	}
	err = d.home.Rename(d.tmp, "new/"+name)
	if err == nil {
		err = d.store.at(stepRenamed)
	}
	if err != nil && !d.arrived(id) {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// arrived reports whether the message is in the mailbox after a rename that
// failed: a network file system may lose the answer to one that succeeded.
func (d *delivery) arrived(id string) bool {
	s := d.session()
	defer s.Close()
	_, err := s.refresh(context.Background(), (*folder).scan)
	return err == nil && len(s.files(id)) > 0
}

// withdraw removes a message that could not be made durable, and returns why it
// could not. Another program may have moved it to cur meanwhile. If it is
// nowhere, that program has taken it, and it was delivered: then the error is
// nil. If it cannot be removed, the sender is told to try again all the same,
// because mail that comes twice is better than mail that is lost.
func (d *delivery) withdraw(id string, cause error) error {
	s := d.session()
	defer s.Close()
	r := removal{session: s, failed: map[string]error{}}
	r.run(context.Background(), []string{id})
	switch {
	case len(r.failed) > 0:
		return fmt.Errorf("%w; the message may come twice: %w", cause, r.failed[id])
	case len(r.removed) == 0:
		return nil
	}
	return cause
}

// session returns a session of the mailbox, which has seen nothing so far.
func (d *delivery) session() *session {
	s := &session{store: d.store, dir: d.dir}
	if folder, err := d.store.openFolderAt(d.home); err == nil {
		s.folder = folder
	}
	return s
}

// survey reports whether a message of the mailbox shows uidl and, if there is a
// quota, how many octets its files have.
func (d *delivery) survey(ctx context.Context, uidl string) (shown bool, octets int64, err error) {
	folder, err := d.store.openFolderAt(d.home)
	if err != nil {
		return false, 0, err
	}
	defer folder.close()
	// A file that is renamed while it is counted matters little. A unique-id
	// that is not seen would be given twice.
	entries, _, err := lookAgain(uidl == "")(folder, ctx)
	if err != nil {
		return false, 0, err
	}
	var uidlOf uidlOf
	if uidl != "" {
		if uidlOf, err = d.store.uidls(d.home); err != nil {
			return false, 0, err
		}
	}
	for _, e := range entries {
		if e.alias {
			continue
		}
		if mailbox.UIDL(d.store.message(d.dir, e.name, uidlOf)) == uidl {
			shown = true
		}
		if d.store.options.Quota <= 0 {
			continue
		}
		size := fieldsOf(e.name).file
		if size < 0 {
			info, err := folder.lstat(&e)
			if err != nil { // one bad file refuses no mail
				continue
			}
			size = info.Size()
		}
		octets += size
	}
	return shown, octets, nil
}

// close closes what is open, and removes the file if it is still in tmp.
func (d *delivery) close() {
	_ = d.file.Close()
	if d.tmp != "" {
		_ = d.home.Remove(d.tmp)
	}
	_ = d.home.Close()
}

package mailbox_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// fileStore keeps one file per message, in a directory per user.
type fileStore struct {
	dir    string
	closed atomic.Bool
}

// messageFile is the name of a message, which is its ID. Other names are never
// looked up: to a file system, "../x" is more than a name.
var messageFile = regexp.MustCompile(`^[0-9]{20}-[A-Z2-7]{26}\.eml$`)

func (s *fileStore) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	dir, err := s.userDir(login.User)
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err
	}
	return &fileBox{dir}, nil
}

func (s *fileStore) Close(context.Context) error {
	s.closed.Store(true)
	return nil
}

// userDir returns the directory of a user. Its name is a digest, because user
// names may be "..", or longer than a file name.
func (s *fileStore) userDir(user string) (string, error) {
	if s.closed.Load() {
		return "", mailbox.ErrClosed
	}
	user, err := mailbox.CanonicalUser(user)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(user))))
	return dir, os.MkdirAll(dir, 0o700)
}

// deliver makes a message visible at once, when it is whole. The time in its
// name puts it after the others.
func (s *fileStore) deliver(ctx context.Context, user string, body io.Reader) error {
	dir, err := s.userDir(user)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "incomplete-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = io.Copy(file, mailbox.NewCanonicalReader(body))
	if err := errors.Join(err, file.Sync(), file.Close(), ctx.Err()); err != nil {
		return err
	}
	name := fmt.Sprintf("%020d-%s.eml", time.Now().UnixNano(), rand.Text())
	return os.Rename(file.Name(), filepath.Join(dir, name))
}

// fileBox is one user's mailbox.
type fileBox struct{ dir string }

// Messages lists the files. Their sizes are those of the canonical form, because
// deliver writes that.
func (b *fileBox) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		files, err := os.ReadDir(b.dir) // sorted by name: the oldest first
		if err := errors.Join(err, ctx.Err()); err != nil {
			yield(mailbox.Message{}, err)
			return
		}
		for _, file := range files {
			info, err := file.Info()
			if !messageFile.MatchString(file.Name()) || errors.Is(err, fs.ErrNotExist) {
				continue // not a message, or removed by another session
			}
			if err != nil {
				yield(mailbox.Message{}, err)
				return
			}
			if !yield(mailbox.Message{ID: file.Name(), Size: info.Size()}, nil) {
				return
			}
		}
	}
}

func (b *fileBox) Open(ctx context.Context, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !messageFile.MatchString(id) {
		return nil, mailbox.ErrNotFound
	}
	file, err := os.Open(filepath.Join(b.dir, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, mailbox.ErrNotFound
	}
	return file, err
}

func (b *fileBox) Delete(ctx context.Context, ids []string) error {
	failed := make(map[string]error)
	for _, id := range ids {
		err := ctx.Err()
		if err == nil && messageFile.MatchString(id) {
			err = os.Remove(filepath.Join(b.dir, id))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is not there is a success
			failed[id] = err
		}
	}
	if len(failed) > 0 {
		return &mailbox.DeleteError{Failed: failed}
	}
	return nil
}

func (b *fileBox) Close() error { return nil }

// A small store to begin with: a message is a file. It passes the conformance
// kit. Two things are left to stores that last: its order is that of the clock,
// which may go back, and a power cut may take the name of a new file.
func Example_store() {
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	store := &fileStore{dir: dir}
	defer store.Close(ctx)
	if err := store.deliver(ctx, "Bob@Example.org", strings.NewReader("Subject: lunch?\n\nAt noon.\n")); err != nil {
		fmt.Println(err)
		return
	}

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	for message, err := range box.Messages(ctx) {
		octets, readErr := mailbox.ReadMessage(ctx, box, message.ID)
		fmt.Printf("%d octets: %q %v\n", message.Size, octets, errors.Join(err, readErr))
	}
	// Output:
	// 29 octets: "Subject: lunch?\r\n\r\nAt noon.\r\n" <nil>
}

package memory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// LoadFS delivers every file of fsys whose name ends in ".eml". The directory at
// the top names the user; deeper directories belong to the same user:
//
//	alice@example.org/1.eml
//	alice@example.org/2.eml
//	bob/lists/golang.eml
//
// The order of delivery is the lexical order of the paths. Other files are
// skipped. An .eml file at the top, in no user's directory, is an error. Mail
// that was delivered before an error stays. Errors are those of fsys and of
// [Store.Append].
//
// Useful file systems are [testing/fstest.MapFS] for mail that is written in the
// test, and [os.DirFS] and [embed.FS] for mail in testdata.
func (s *Store) LoadFS(ctx context.Context, fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("memory: load: %w", err)
		}
		if entry.IsDir() || path.Ext(name) != ".eml" {
			return nil
		}
		if err := s.loadFile(ctx, fsys, name); err != nil {
			return fmt.Errorf("memory: load %s: %w", name, err)
		}
		return nil
	})
}

func (s *Store) loadFile(ctx context.Context, fsys fs.FS, name string) error {
	user, _, below := strings.Cut(name, "/")
	if !below {
		return errors.New("the file is in no user's directory")
	}
	file, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = mailbox.Deliver(ctx, s, mailbox.To(user), file)
	return err
}

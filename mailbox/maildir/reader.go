package maildir

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/popcask/popcask/mailbox"
)

// reader returns the content of a message's file, which it closes on an error.
//
// A file that is as large as its canonical form is in that form. Any other goes
// through a [mailbox.CanonicalReader]; its count at the end is the size that
// later sessions of the process list.
func (s *Store) reader(file *os.File, key messageKey, f fields) (io.ReadCloser, error) {
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	content := &content{file: file, left: info.Size()}
	if f.wire == info.Size() {
		return content, nil
	}
	canonical := mailbox.NewCanonicalReader(content)
	return &counted{CanonicalReader: canonical, file: file, store: s, key: key, listed: f.wire}, nil
}

// content reads a file of a known size, without the one read more that would
// show the end. It is not an [io.WriterTo], so that the server reads into its
// own buffer.
type content struct {
	file *os.File
	left int64
}

func (c *content) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.file.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("maildir: %w: the file was cut short: %w", mailbox.ErrTemporary, io.ErrUnexpectedEOF)
	case err != nil:
		err = failed("read message", err)
	case c.left == 0:
		err = io.EOF
	}
	return n, err
}

func (c *content) Close() error { return c.file.Close() }

// counted reads a message whose size is learned by reading it.
type counted struct {
	*mailbox.CanonicalReader
	file   *os.File
	store  *Store
	key    messageKey
	listed int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.CanonicalReader.Read(p)
	if err == io.EOF && c.Octets() != c.listed {
		c.store.sizes.put(c.key, c.Octets())
	}
	return n, err
}

func (c *counted) Close() error { return c.file.Close() }

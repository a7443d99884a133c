package maildir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/popcask/popcask/mailbox"
)

// knownSize is the size of the canonical form of a message, counted when its
// file had so many octets.
type knownSize struct{ wire, file int64 }

// reader returns the content of a message's file, which it closes on an error.
// For a client that gets the whole message it finds out the exact size first.
//
// A file that is as large as its canonical form is in that form. Any other goes
// through a [mailbox.CanonicalReader].
func (s *Store) reader(ctx context.Context, file *os.File, key messageKey, f fields, purpose mailbox.Purpose) (_ mailbox.SizedBody, err error) {
	defer func() {
		if err != nil {
			_ = file.Close()
		}
	}()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	size := info.Size()
	if err := readable(file, f, size); err != nil {
		return nil, err
	}
	wire := s.exactSize(file, key, f, size)
	if wire < 0 && purpose == mailbox.Retrieve {
		if wire, err = s.count(ctx, file, size); err != nil {
			return nil, err
		}
		s.sizes.put(key, knownSize{wire: wire, file: size})
	}
	content := &content{file: file, size: size, left: size}
	if wire == size {
		return content, nil
	}
	return &counted{CanonicalReader: mailbox.NewCanonicalReader(content), content: content, store: s, key: key, size: wire}, nil
}

// exactSize is the size of the canonical form of a file of size octets, -1 if it
// must be counted. What the name says is believed if it agrees with the file
// and with its end: Dovecot does not count the line end that a last line lacks.
func (s *Store) exactSize(file *os.File, key messageKey, f fields, size int64) int64 {
	if known, ok := s.sizes.get(key); ok && known.file == size {
		return known.wire
	}
	if f.file == size && f.wire == size && minted(key.id) {
		return size
	}
	lineEnd := "\n"
	if f.wire == size {
		lineEnd = "\r\n"
	}
	if f.file != size || f.wire < 0 || size+f.wire > 0 && !hasAt(file, size-int64(len(lineEnd)), lineEnd) {
		return -1
	}
	return f.wire
}

// hasAt reports whether the octets of a file at offset are what.
func hasAt(file *os.File, offset int64, what string) bool {
	if offset < 0 {
		return false
	}
	var found [16]byte
	n, _ := file.ReadAt(found[:len(what)], offset)
	return string(found[:n]) == what
}

// count reads a file to its end, and rewinds it.
func (s *Store) count(ctx context.Context, file *os.File, size int64) (int64, error) {
	canonical := mailbox.NewCanonicalReader(&content{file: file, size: size, left: size})
	buffer := make([]byte, 16<<10)
	for {
		err := ctx.Err()
		if err == nil {
			err = s.at(stepRead)
		}
		if err == nil {
			_, err = canonical.Read(buffer)
		}
		if err == io.EOF {
			_, err := file.Seek(0, io.SeekStart)
			return canonical.Octets(), err
		}
		if err != nil {
			return 0, err
		}
	}
}

// content reads a file of a known size, without the one read more that would
// show the end. It is not an [io.WriterTo], so that the server reads into its
// own buffer.
type content struct {
	file       *os.File
	size, left int64
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

// CanonicalSize implements [mailbox.SizedBody].
func (c *content) CanonicalSize() int64 { return c.size }

func (c *content) Close() error { return c.file.Close() }

// counted reads a message that is not in its canonical form, and remembers its
// size if that proves other than expected.
type counted struct {
	*mailbox.CanonicalReader
	content *content
	store   *Store
	key     messageKey
	size    int64 // as expected; -1 if unknown
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.CanonicalReader.Read(p)
	if err == io.EOF && c.Octets() != c.size {
		c.store.sizes.put(c.key, knownSize{wire: c.Octets(), file: c.content.size})
	}
	return n, err
}

// CanonicalSize implements [mailbox.SizedBody].
func (c *counted) CanonicalSize() int64 { return c.size }

func (c *counted) Close() error { return c.content.Close() }

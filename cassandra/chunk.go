package cassandra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/popcask/popcask/internal/cql"
)

// addChunked adds a large message while it arrives. Chunk 0 begins with the
// recipient's own header, so that all further chunks are the same for all
// recipients. Window chunks are on their way at a time: that is the memory it
// takes, whatever the size. What completes the content, and the membership,
// come last. An error means that the body could not be read, or that nobody is
// left to get it.
func (s *Store) addChunked(ctx context.Context, attempts []*attempt, first []byte, rest io.Reader) error {
	window := newWindow(s.config.Window)
	defer window.wait()
	for _, a := range attempts {
		content := append(append(make([]byte, 0, len(a.header)+len(first)), a.header...), first...)
		a.digest.Write(content)
		if a.fail(s.checkSize(a)); a.failed() {
			continue
		}
		window.run(func() {
			a.fail(s.db.Exec(ctx, cql.LocalQuorum, insertFirst, AddedAt(a.id), [16]byte(a.id), 0, content, [16]byte(a.mailbox)))
		})
	}
	chunks := 1
	for done := allFailed(attempts); !done; {
		chunk := make([]byte, s.config.ChunkSize)
		n, end, err := fill(rest, chunk)
		if err != nil {
			return fmt.Errorf("read body: %w", err)
		}
		if done = end; n == 0 {
			break
		}
		number := chunks
		chunks++
		for _, a := range attempts {
			a.digest.Write(chunk[:n])
			a.fail(s.checkSize(a))
			if a.failed() {
				continue
			}
			window.run(func() {
				a.fail(s.db.Exec(ctx, cql.LocalQuorum, insertChunk, AddedAt(a.id), [16]byte(a.id), number, chunk[:n]))
			})
		}
		if allFailed(attempts) {
			done = true // reading on would be for nobody
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	window.wait()
	s.each(attempts, func(a *attempt) {
		if !a.failed() {
			a.fail(s.claimUIDL(ctx, a))
		}
		if !a.failed() {
			a.fail(s.complete(ctx, a, chunks))
		}
	})
	return nil
}

// complete makes the content whole, and adds the membership and the bucket's
// row.
func (s *Store) complete(ctx context.Context, a *attempt, chunks int) error {
	return together(
		func() error {
			d := a.digest
			return s.db.Exec(ctx, cql.LocalQuorum, insertStatic, AddedAt(a.id), [16]byte(a.id), d.size, chunks, d.head(), d.sum())
		},
		func() error { return s.addMember(ctx, a) },
		func() error { return s.addBucket(ctx, a) },
	)
}

func allFailed(attempts []*attempt) bool {
	for _, a := range attempts {
		if !a.failed() {
			return false
		}
	}
	return true
}

// fail notes the first thing that went wrong. It may be called from several
// goroutines.
func (a *attempt) fail(err error) {
	if err == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
}

func (a *attempt) failed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err != nil
}

// contentDigest learns, while content passes by, what its row says of it.
type contentDigest struct {
	size   int64
	sha256 hash.Hash

	headSize int    // octets of the header and the blank line
	headDone bool   // the blank line was met
	tail     []byte // the last octets of what passed by, up to 3
}

func newContentDigest() *contentDigest { return &contentDigest{sha256: sha256.New()} }

// Write takes the next stretch of the canonical form.
func (d *contentDigest) Write(p []byte) {
	d.sha256.Write(p)
	if !d.headDone {
		d.findHead(p)
	}
	d.size += int64(len(p))
}

var blankLine = []byte("\r\n\r\n")

// findHead looks for the blank line, which may lie across two stretches.
func (d *contentDigest) findHead(p []byte) {
	if d.size == 0 && bytes.HasPrefix(p, blankLine[:2]) {
		d.headSize, d.headDone = 2, true // a message without a header
		return
	}
	seam := append(d.tail, p[:min(len(p), 3)]...)
	if i := bytes.Index(seam, blankLine); i >= 0 {
		d.headSize, d.headDone = int(d.size)-len(d.tail)+i+4, true
		return
	}
	if i := bytes.Index(p, blankLine); i >= 0 {
		d.headSize, d.headDone = int(d.size)+i+4, true
		return
	}
	last := append(d.tail, p[max(0, len(p)-3):]...)
	d.tail = bytes.Clone(last[max(0, len(last)-3):])
}

// head counts the octets of the header and the blank line; all of them where
// there is no blank line.
func (d *contentDigest) head() int {
	if d.headDone {
		return d.headSize
	}
	return int(d.size)
}

func (d *contentDigest) sum() []byte { return d.sha256.Sum(nil) }

package cassandra

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// errMissing says that the content of a message, or a part of it, was not
// found.
var errMissing = errors.New("the content is not there, or not complete")

// errForeign says that content belongs to another mailbox.
var errForeign = errors.New("the message is in another mailbox")

// errReaderClosed is the error of a Read after Close.
var errReaderClosed = errors.New("the message is closed")

// content reads the chunks of a message in order. While one page of them is
// handed out, the next one is read in the background.
type content struct {
	store   *Store
	ctx     context.Context // of the session's command, which outlives Open
	cancel  context.CancelFunc
	level   cql.Level
	top     bool // for TOP, which seldom needs more than one chunk: pages of one, read on demand
	mailbox MailboxID
	id      MessageID
	user    string // whose mailbox is repaired if a chunk is missing; "" if a repair is reading

	whole  contentWhole
	number int       // of the next chunk to read
	octets int64     // in the chunks before it
	sha256 hash.Hash // of them
	ready  [][]byte
	ahead  chan chunkPage // delivers the page that is being read in the background
	state  []byte         // of the next page, if it is read on demand
	err    error
}

// contentWhole is what the static columns of a message say of its content.
type contentWhole struct {
	chunks int
	size   int64 // octets
	sha256 string
}

// chunkPage is a page of chunks.
type chunkPage struct {
	chunks [][]byte
	whole  contentWhole
	state  []byte // of the next page; nil after the last one
	err    error
}

// openContent reads the first page of a message, and returns errMissing or
// errForeign if that is not content of this mailbox, as complete as one page
// can show.
func (s *Store) openContent(ctx context.Context, level cql.Level, box MailboxID, id MessageID, options mailbox.OpenOptions) (*content, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &content{store: s, ctx: ctx, cancel: cancel, level: level, top: options.For == mailbox.Top, mailbox: box, id: id, sha256: sha256.New()}
	first := c.readPage(0, nil, 0)
	if first.err == nil && len(first.chunks) == 0 {
		first.err = errMissing
	}
	if first.err != nil {
		cancel()
		return nil, first.err
	}
	c.take(first)
	if err := c.checkWhole(); err != nil {
		cancel()
		return nil, err
	}
	return c, nil
}

// checkWhole returns errMissing if all chunks were read and are not the octets
// that were stored (P2, P6).
func (c *content) checkWhole() error {
	switch {
	case c.number != c.whole.chunks:
		return nil
	case c.octets != c.whole.size:
		return fmt.Errorf("%d octets of %d: %w", c.octets, c.whole.size, errMissing)
	case string(c.sha256.Sum(nil)) != c.whole.sha256:
		return fmt.Errorf("other octets than were stored (SHA-256): %w", errMissing)
	}
	return nil
}

// readPage reads a page of the chunks with number from and above; the first one
// of the page must have the number expected.
//
// A row may be there without its data: if replicas differ, Cassandra repairs
// the columns that a read names and no others, and a read that counts chunks
// does not name the data. Such a chunk is missing (P2).
func (c *content) readPage(from int, state []byte, expected int) (page chunkPage) {
	st := selectContent
	if c.top {
		st = selectTop
	}
	number := expected
	page.state, page.err = c.store.db.Page(c.ctx, c.level, st, state, func(row cql.Row) error {
		var box []byte
		var data *[]byte // nil is null, which an empty chunk is not
		var size *int64
		var chunks, head, chunk *int
		var sum []byte
		if err := row.Scan(&box, &size, &chunks, &head, &sum, &chunk, &data); err != nil {
			return err
		}
		switch {
		case box == nil || size == nil || chunks == nil || head == nil || sum == nil || chunk == nil || *chunk != number || data == nil:
			return errMissing
		case MailboxID(box) != c.mailbox:
			return errForeign
		}
		page.whole = contentWhole{*chunks, *size, string(sum)}
		page.chunks = append(page.chunks, *data)
		number++
		return nil
	}, [16]byte(c.id), from)
	return page
}

// take makes a page ready to be handed out. If there is another one, it begins
// to read it.
func (c *content) take(page chunkPage) {
	c.ready = append(c.ready, page.chunks...)
	if len(page.chunks) > 0 {
		c.whole = page.whole
	}
	c.number += len(page.chunks)
	for _, chunk := range page.chunks {
		c.octets += int64(len(chunk))
		c.sha256.Write(chunk)
	}
	c.ahead, c.state = nil, nil
	switch {
	case page.err != nil || page.state == nil || c.number >= c.whole.chunks:
	case c.top:
		c.state = page.state
	default:
		ahead, number := make(chan chunkPage, 1), c.number
		c.ahead = ahead
		go func() { ahead <- c.readPage(0, page.state, number) }()
	}
}

// fillReady makes sure that a chunk is ready. It returns io.EOF after the last
// one.
func (c *content) fillReady() error {
	for len(c.ready) == 0 {
		switch {
		case c.err != nil:
			return c.err
		case c.number == c.whole.chunks:
			if c.err = c.checkWhole(); c.err == nil {
				return io.EOF
			}
		case c.ahead == nil && c.state == nil:
			c.err = c.readEverywhere()
		default:
			page := c.nextPage()
			if errors.Is(page.err, errMissing) || page.err == nil && len(page.chunks) == 0 {
				c.err = c.readEverywhere()
				break
			}
			c.err = page.err
			c.take(page)
		}
	}
	return nil
}

// nextPage returns the page that is being read ahead, or reads one.
func (c *content) nextPage() chunkPage {
	if ahead := c.ahead; ahead != nil {
		c.ahead = nil // so that Close does not wait for it
		return <-ahead
	}
	return c.readPage(0, c.state, c.number)
}

// readEverywhere goes on in every data centre, after a chunk was missing in
// this one, which is most likely behind the others.
func (c *content) readEverywhere() error {
	if c.level != cql.LocalQuorum {
		return fmt.Errorf("chunk %d of %d: %w", c.number, c.whole.chunks, errMissing)
	}
	if c.store.breaker.isOpen() {
		return errBreakerOpen
	}
	c.level = cql.EachQuorum
	page := c.readPage(c.number, nil, c.number)
	c.store.breaker.note(page.err)
	if page.err == nil && len(page.chunks) == 0 {
		page.err = errMissing
	}
	if c.user != "" && (page.err == nil || errors.Is(page.err, errMissing)) {
		c.store.repairs.want(job{user: c.user, ids: []MessageID{c.id}})
	}
	if page.err != nil {
		return fmt.Errorf("chunk %d of %d: %w", c.number, c.whole.chunks, page.err)
	}
	c.take(page)
	return nil
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	if err := c.fillReady(); err != nil {
		return 0, err
	}
	n := copy(p, c.ready[0])
	if c.ready[0] = c.ready[0][n:]; len(c.ready[0]) == 0 {
		c.ready = c.ready[1:]
	}
	return n, nil
}

// WriteTo implements [io.WriterTo]: each chunk is one Write.
func (c *content) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if err := c.fillReady(); err == io.EOF {
			return written, nil
		} else if err != nil {
			return written, err
		}
		n, err := w.Write(c.ready[0])
		written += int64(n)
		if err != nil {
			return written, err
		}
		c.ready = c.ready[1:]
	}
}

// IsCanonical implements [mailbox.CanonicalBody]: Append stores nothing else.
func (c *content) IsCanonical() bool { return true }

// Close implements [io.Closer]. It may be called twice.
func (c *content) Close() error {
	c.cancel()
	if c.ahead != nil {
		<-c.ahead
	}
	c.ready, c.ahead, c.err = nil, nil, errReaderClosed
	return nil
}

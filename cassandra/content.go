package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popcask/popcask/cassandra/cql"
)

// errMissing says that content, or a part of it, is not where it was looked
// for.
var errMissing = errors.New("the content is not there, or not complete")

// errForeign says that content belongs to another mailbox.
var errForeign = errors.New("the message is in another mailbox")

// errReaderClosed is what is read after Close.
var errReaderClosed = errors.New("the message is closed")

// content reads the chunks of a message in order, a page of them ahead.
type content struct {
	store   *Store
	ctx     context.Context // of the session's command, which outlives Open
	cancel  context.CancelFunc
	level   cql.Level
	st      *cql.Statement
	mailbox MailboxID
	id      MessageID
	user    string // whose mailbox is repaired where something is missing; "" for a repair's own reading

	chunks int      // that there are
	size   int64    // octets that there are
	next   int      // number of the chunk that comes next
	octets int64    // of those before it
	ready  [][]byte // read, not handed out yet
	ahead  chan contentPageResult
	behind []byte // state of a page that is read when it is wanted: of TOP
	err    error
}

type contentPageResult struct {
	chunks [][]byte
	total  int    // chunks that the message has
	size   int64  // octets that it has
	state  []byte // of the page behind; nil after the last one
	err    error
}

// openContent reads the first page, and makes sure that the content is complete
// and in the right mailbox.
func (s *Store) openContent(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID, st *cql.Statement) (*content, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &content{store: s, ctx: ctx, cancel: cancel, level: level, st: st, mailbox: mailbox, id: id}
	first := c.readPage(0, nil, 0)
	if first.err == nil && len(first.chunks) == 0 {
		first.err = errMissing
	}
	if first.err != nil {
		cancel()
		return nil, first.err
	}
	c.take(first)
	if err := c.whole(); err != nil {
		cancel()
		return nil, err
	}
	return c, nil
}

// whole makes sure that the chunks, once all are there, are the octets that the
// message has (P6).
func (c *content) whole() error {
	if c.next == c.chunks && c.octets != c.size {
		return fmt.Errorf("%d octets of %d: %w", c.octets, c.size, errMissing)
	}
	return nil
}

// readPage reads a page of the chunks from number from on; expected is the
// number of the page's first chunk. A chunk may be there without its octets:
// Cassandra repairs, where replicas differ, the columns that were read and no
// others, and whoever counts chunks does not read those (P2).
func (c *content) readPage(from int, state []byte, expected int) (page contentPageResult) {
	number := expected
	page.state, page.err = c.store.db.Page(c.ctx, c.level, c.st, state, func(row cql.Row) error {
		var mailbox []byte
		var data *[]byte // nil is none, which is not the same as an empty one
		var size *int64
		var chunks, chunk *int
		if err := row.Scan(&mailbox, &size, &chunks, &chunk, &data); err != nil {
			return err
		}
		switch {
		case mailbox == nil || size == nil || chunks == nil || chunk == nil || *chunk != number || data == nil:
			return errMissing
		case MailboxID(mailbox) != c.mailbox:
			return errForeign
		}
		page.total, page.size = *chunks, *size
		page.chunks = append(page.chunks, *data)
		number++
		return nil
	}, [16]byte(c.id), from)
	return page
}

// take takes a page over, and begins to read the one behind it.
func (c *content) take(page contentPageResult) {
	c.ready = append(c.ready, page.chunks...)
	c.chunks, c.size = max(c.chunks, page.total), max(c.size, page.size)
	c.next += len(page.chunks)
	for _, chunk := range page.chunks {
		c.octets += int64(len(chunk))
	}
	c.ahead, c.behind = nil, nil
	switch {
	case page.err != nil || page.state == nil || c.next >= c.chunks:
	case c.st == selectTop: // most are satisfied with the first chunk
		c.behind = page.state
	default:
		ahead := make(chan contentPageResult, 1)
		c.ahead = ahead
		next := c.next
		go func() { ahead <- c.readPage(0, page.state, next) }()
	}
}

// more makes sure that a chunk is ready.
func (c *content) more() error {
	for len(c.ready) == 0 {
		switch {
		case c.err != nil:
			return c.err
		case c.next == c.chunks:
			if c.err = c.whole(); c.err == nil {
				return io.EOF
			}
		case c.ahead == nil && c.behind == nil:
			c.err = c.climb()
		default:
			page := c.nextPage()
			if errors.Is(page.err, errMissing) || page.err == nil && len(page.chunks) == 0 {
				c.err = c.climb()
				break
			}
			c.err = page.err
			c.take(page)
		}
	}
	return nil
}

// nextPage is the page that is being read ahead, or else is read now.
func (c *content) nextPage() contentPageResult {
	if ahead := c.ahead; ahead != nil {
		c.ahead = nil // Close must not wait for what was taken
		return <-ahead
	}
	return c.readPage(0, c.behind, c.next)
}

// climb goes on with the answer of every data centre where a chunk is missing
// here: one that lags, most likely.
func (c *content) climb() error {
	if c.level != cql.LocalQuorum {
		return fmt.Errorf("chunk %d of %d: %w", c.next, c.chunks, errMissing)
	}
	if c.store.breaker.isOpen() {
		return errBreakerOpen
	}
	c.level = cql.EachQuorum
	page := c.readPage(c.next, nil, c.next)
	c.store.breaker.note(page.err)
	if page.err == nil && len(page.chunks) == 0 {
		page.err = errMissing
	}
	if c.user != "" && (page.err == nil || errors.Is(page.err, errMissing)) {
		c.store.repairs.want(c.user)
	}
	if page.err != nil {
		return fmt.Errorf("chunk %d of %d: %w", c.next, c.chunks, page.err)
	}
	c.take(page)
	return nil
}

// Read implements [io.Reader].
func (c *content) Read(p []byte) (int, error) {
	if err := c.more(); err != nil {
		return 0, err
	}
	n := copy(p, c.ready[0])
	if c.ready[0] = c.ready[0][n:]; len(c.ready[0]) == 0 {
		c.ready = c.ready[1:]
	}
	return n, nil
}

// WriteTo implements [io.WriterTo]: it hands out each chunk as it came.
func (c *content) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if err := c.more(); err == io.EOF {
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

// Close implements [io.Closer]. It may come twice.
func (c *content) Close() error {
	c.cancel()
	if c.ahead != nil {
		<-c.ahead
	}
	c.ready, c.ahead, c.err = nil, nil, errReaderClosed
	return nil
}

package cassandra

import (
	"context"

	"github.com/popcask/popcask/cassandra/cql"
)

// contentCount is what exists of a message's content, without the content
// itself.
type contentCount struct {
	id      MessageID // zero: nothing exists
	mailbox MailboxID // zero: chunk 0, which names it, is missing
	size    int64
	want    int  // chunks the message has; 0: the row that says so is missing
	number  int  // chunks that exist
	torn    bool // a chunk is missing before another one
}

// count adds a row, which may be of a chunk or only of static columns. The rows
// of a message come in the order of their chunks.
func (c *contentCount) count(mailbox []byte, size *int64, chunks, chunk *int) {
	if len(mailbox) == len(c.mailbox) {
		c.mailbox = MailboxID(mailbox)
	}
	if size != nil && chunks != nil {
		c.size, c.want = *size, *chunks
	}
	if chunk != nil {
		c.torn = c.torn || *chunk != c.number
		c.number++
	}
}

func (c *contentCount) exists() bool { return c.id != MessageID{} }

func (c *contentCount) complete() bool {
	return !c.torn && c.want > 0 && c.number == c.want && c.mailbox != MailboxID{}
}

// countContent counts the chunks of a message. It does not read their data.
func (s *Store) countContent(ctx context.Context, level cql.Level, id MessageID) (c contentCount, err error) {
	err = cql.Each(ctx, s.db, level, selectChunks, func(row cql.Row) error {
		var mailbox []byte
		var size *int64
		var chunks, chunk *int
		if err := row.Scan(&mailbox, &size, &chunks, nil, nil, &chunk); err != nil {
			return err
		}
		c.id = id
		c.count(mailbox, size, chunks, chunk)
		return nil
	}, [16]byte(id))
	return c, err
}

package cassandra

import (
	"context"

	"github.com/popcask/popcask/cassandra/cql"
)

// contentCount is what there is of a message's content: a count of its chunks,
// whose rows come in order.
type contentCount struct {
	id      MessageID // zero: nothing is there
	mailbox MailboxID // zero: chunk 0, which names it, is missing
	size    int64
	want    int // chunks; 0: nobody has said how many
	number  int // chunks
	torn    bool
}

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

// countContent counts the chunks of a message in every data centre, without
// reading them.
func (s *Store) countContent(ctx context.Context, id MessageID) (c contentCount, err error) {
	err = cql.Each(ctx, s.db, cql.EachQuorum, selectChunks, func(row cql.Row) error {
		var mailbox []byte
		var size *int64
		var chunks, chunk *int
		if err := row.Scan(&mailbox, &size, &chunks, &chunk); err != nil {
			return err
		}
		c.id = id
		c.count(mailbox, size, chunks, chunk)
		return nil
	}, [16]byte(id))
	return c, err
}

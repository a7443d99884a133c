package cassandra

import (
	"context"
	"errors"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// contents holds which messages of a range of the ring have content, and which
// of that is complete, at 10 octets a message. A scan reads it once, without
// the data, and then looks up the content of each membership and each entry
// that it reads.
type contents struct {
	tokens
	at    []int64       // tokens, ascending
	notes []contentNote // about each of them
}

// contentNote is what is known of the content of a message. Its lower bits are
// the part of the ring in which the membership must be, if there is one.
type contentNote uint16

const (
	contentPart     contentNote = ringParts - 1 // the bits of the part
	contentComplete contentNote = 1 << 8
	contentWanted   contentNote = 1 << 9  // a membership or an entry belongs to it
	contentHomeless contentNote = 1 << 10 // chunk 0, which names the mailbox, is missing
)

// want notes that a membership or an entry belongs to the content at a token,
// and reports whether that content is complete.
func (c *contents) want(token int64) (complete bool) {
	i, ok := slices.BinarySearch(c.at, token)
	if !ok {
		return false
	}
	c.notes[i] |= contentWanted
	return c.notes[i]&contentComplete != 0
}

// unwanted returns the tokens of content whose membership must be in the parts
// from one to another, without the last, and that no membership or entry
// belongs to. It must not be called at the same time as want.
func (c *contents) unwanted(from, to int) (list []int64) {
	for i, note := range c.notes {
		if part := int(note & contentPart); note&(contentWanted|contentHomeless) == 0 && part >= from && part < to {
			list = append(list, c.at[i])
		}
	}
	return list
}

// homeless returns the tokens of content that does not name its mailbox, and
// that no membership or entry belongs to.
func (c *contents) homeless() (list []int64) {
	for i, note := range c.notes {
		if note&(contentWanted|contentHomeless) == contentHomeless {
			list = append(list, c.at[i])
		}
	}
	return list
}

// readContents reads the parts of the ring from first to last, without last,
// several at the same time, and stops when it holds enough messages. It returns
// the part to go on with. After each part it calls step with the number of
// messages in it, and with the next part.
func (s *Store) readContents(ctx context.Context, first, last, hold, readers int, step func(messages, next int) error) (c *contents, next int, err error) {
	c = &contents{tokens: tokens{partEnd(first - 1), partEnd(first - 1)}}
	for next = first; next < last && len(c.at) < hold; {
		some := make([]contents, min(readers, last-next))
		err := parallel.Each(readers, len(some), func(i int) error {
			return s.readContentsIn(ctx, partTokens(next+i), &some[i])
		})
		if err != nil {
			return nil, next, err
		}
		for _, more := range some {
			c.at, c.notes = append(c.at, more.at...), append(c.notes, more.notes...)
			next++
			c.until = partEnd(next - 1)
			if err := step(len(more.at), next); err != nil {
				return nil, next, err
			}
		}
	}
	return c, next, nil
}

// readContentsIn reads a range of the ring. A range with too many tombstones is
// read in halves.
func (s *Store) readContentsIn(ctx context.Context, stretch tokens, c *contents) error {
	begun := len(c.at)
	var last contentCount
	err := cql.Each(ctx, s.db, cql.EachQuorum, selectContentsIn, func(row cql.Row) error {
		var id [16]byte
		var mailbox []byte
		var size *int64
		var chunks, chunk *int
		if err := row.Scan(&id, &mailbox, &size, &chunks, &chunk); err != nil {
			return err
		}
		if last.id != id {
			s.note(c, last)
			last = contentCount{id: id}
		}
		last.count(mailbox, size, chunks, chunk)
		return nil
	}, stretch.after, stretch.until)
	middle, ok := stretch.middle()
	if ok && errors.Is(err, cql.ErrTooManyTombstones) {
		c.at, c.notes = c.at[:begun], c.notes[:begun]
		if err := s.readContentsIn(ctx, tokens{stretch.after, middle}, c); err != nil {
			return err
		}
		return s.readContentsIn(ctx, tokens{middle, stretch.until}, c)
	}
	s.note(c, last)
	return err
}

// note adds a message, unless its ID is zero.
func (s *Store) note(c *contents, m contentCount) {
	if m.id == (MessageID{}) {
		return
	}
	var note contentNote
	if m.complete() {
		note |= contentComplete
	}
	if m.mailbox == (MailboxID{}) {
		note |= contentHomeless
	} else {
		note |= contentNote(partOf(Token(m.mailbox, s.session.Bucket(m.id))))
	}
	c.at, c.notes = append(c.at, contentToken(m.id)), append(c.notes, note)
}

package cassandra

import (
	"context"
	"errors"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// contents is what there is of the content of many messages, at 10 octets each:
// all whose tokens lie in some stretch of the ring. A scan reads them once, in the
// order of their tokens, without the content itself, and then asks for each
// membership that it meets whether its content is there.
type contents struct {
	tokens
	at    []int64       // tokens, ascending
	notes []contentNote // about each of them
}

// contentNote says whether the content is complete, whether a membership or the
// index has asked for it, and in which part of the ring its membership must be,
// if there is any.
type contentNote uint16

const (
	contentPart     contentNote = ringParts - 1 // the bits of the part
	contentComplete contentNote = 1 << 8
	contentWanted   contentNote = 1 << 9
	contentHomeless contentNote = 1 << 10 // chunk 0, which names the mailbox, is missing
)

// want notes that the message of a token is known in its mailbox, and tells
// whether its content is complete.
func (c *contents) want(token int64) (complete bool) {
	i, ok := slices.BinarySearch(c.at, token)
	if !ok {
		return false
	}
	c.notes[i] |= contentWanted
	return c.notes[i]&contentComplete != 0
}

// unwanted returns the tokens of the content whose membership must be in some
// parts, the last one not included, and that nobody has asked for. It goes
// through all there is, when nobody is asking.
func (c *contents) unwanted(from, to int) (list []int64) {
	for i, note := range c.notes {
		if part := int(note & contentPart); note&(contentWanted|contentHomeless) == 0 && part >= from && part < to {
			list = append(list, c.at[i])
		}
	}
	return list
}

// homeless returns the tokens of the content that does not say whose it is, and
// that nobody has asked for.
func (c *contents) homeless() (list []int64) {
	for i, note := range c.notes {
		if note&(contentWanted|contentHomeless) == contentHomeless {
			list = append(list, c.at[i])
		}
	}
	return list
}

// readContents reads parts of the ring, from the first one on, so many side by
// side, until there are as many messages as it may hold, or the last part is
// reached. It returns the part behind the last one.
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

// readContentsIn reads a stretch of the ring, in two halves where there are too
// many tombstones in it.
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

// note adds a message to those that are there.
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

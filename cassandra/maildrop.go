package cassandra

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/popcask/popcask/internal/cql"
	"github.com/popcask/popcask/mailbox"
)

// maildrop is one session on a mailbox.
type maildrop struct {
	store  *Store
	id     MailboxID
	user   string
	listed []MessageID // ascending
}

// Messages implements [mailbox.Mailbox]. The mailbox's own partition and the
// recent buckets are read at the same time, which is one round trip for recent
// mail; then the other buckets that ever got mail.
func (m *maildrop) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		if m.store.isClosed() {
			yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", mailbox.ErrClosed))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m.listed = m.listed[:0]
		recent := m.store.recentBuckets()
		ahead := prefetch(ctx, m.store.index.List(ctx, m.id, m.store.bucketSlices(recent)))
		drop, err := m.store.readDrop(ctx, cql.LocalQuorum, m.id)
		if err != nil {
			yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", temporary(err)))
			return
		}
		older, later := drop.around(recent)
		for _, part := range []iter.Seq2[Entry, error]{
			m.store.index.List(ctx, m.id, m.store.bucketSlices(older)),
			ahead,
			m.store.index.List(ctx, m.id, m.store.bucketSlices(later)),
		} {
			for entry, err := range part {
				if err != nil {
					yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", temporary(err)))
					return
				}
				m.listed = append(m.listed, entry.ID)
				if !yield(entry.message(), nil) {
					return
				}
			}
		}
	}
}

// recentBuckets are those that may have mail of which the mailbox's own
// partition does not know here yet: the one before, the current one, and the
// one of a clock that is ahead.
func (s *Session) recentBuckets() []int64 {
	now := s.config.Now()
	current := s.bucketAt(now)
	return slices.Compact([]int64{current - 1, current, s.bucketAt(now.Add(s.config.Horizon))})
}

func (s *Session) bucketSlices(buckets []int64) []Slice {
	list := make([]Slice, 0, len(buckets))
	for _, bucket := range buckets {
		list = append(list, s.bucketSlice(bucket))
	}
	return list
}

// around returns the buckets before and after the recent ones.
func (d dropRows) around(recent []int64) (older, later []int64) {
	for _, bucket := range d.buckets {
		switch {
		case bucket < recent[0]:
			older = append(older, bucket)
		case bucket > recent[len(recent)-1]:
			later = append(later, bucket)
		}
	}
	return older, later
}

// prefetch begins to range over a sequence at once, some way ahead of who
// ranges over the result. It ends with ctx.
func prefetch(ctx context.Context, seq iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	type item struct {
		entry Entry
		err   error
	}
	items := make(chan item, listingPage)
	go func() {
		defer close(items)
		for entry, err := range seq {
			select {
			case items <- item{entry, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(yield func(Entry, error) bool) {
		for i := range items {
			if !yield(i.entry, i.err) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Entry{}, err)
		}
	}
}

// Open implements [mailbox.Mailbox].
func (m *maildrop) Open(ctx context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	if m.store.isClosed() {
		return nil, fmt.Errorf("cassandra: open message: %w", mailbox.ErrClosed)
	}
	messageID, err := ParseMessageID(id)
	if err != nil {
		return nil, fmt.Errorf("cassandra: open message: %w: %w", mailbox.ErrNotFound, err)
	}
	body, err := m.openMessage(ctx, messageID, options)
	if err != nil {
		return nil, fmt.Errorf("cassandra: open message %s: %w", id, err)
	}
	return body, nil
}

// Close implements [mailbox.Mailbox].
func (m *maildrop) Close() error { return nil }

// openMessage opens what was listed. Of anything else the mailbox is asked
// first, since content is found by its ID alone, and outlives its removal for a
// moment.
func (m *maildrop) openMessage(ctx context.Context, id MessageID, options mailbox.OpenOptions) (io.ReadCloser, error) {
	if !m.isListed(id) {
		found, err := m.store.member(ctx, cql.LocalQuorum, m.id, id)
		if err != nil {
			return nil, temporary(err)
		}
		if found == memberRemoved {
			return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
		}
	}
	return m.store.openMessage(ctx, m, id, options)
}

// mayHold tells whether an ID may be removed through this session: it was
// listed, or the mailbox has it. Content is deleted by its ID alone, so that
// somebody else's must not get that far.
func (m *maildrop) mayHold(ctx context.Context, id MessageID) (bool, error) {
	if m.isListed(id) {
		return true, nil
	}
	found, err := m.store.member(ctx, cql.LocalQuorum, m.id, id)
	return found != memberAbsent, err
}

func (m *maildrop) isListed(id MessageID) bool {
	_, listed := slices.BinarySearchFunc(m.listed, id, MessageID.Compare)
	return listed
}

package cassandra

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

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

// Messages implements [mailbox.Mailbox]. Where this process knows the mailbox's
// own partition from before, that partition and the listing are read at the same
// time, which is one round trip; else the listing waits for it, but for the mail
// of the last hours. Ranges that are proven empty are not read.
func (m *maildrop) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		if m.store.isClosed() {
			yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", mailbox.ErrClosed))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m.listed = m.listed[:0]
		parts, err := m.listing(ctx)
		if err != nil {
			yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", temporary(err)))
			return
		}
		for _, part := range parts {
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

// listing reads the mailbox's own partition, and meanwhile begins with the part
// of the listing that is surely wanted. The parts come in order.
func (m *maildrop) listing(ctx context.Context) (parts []iter.Seq2[Entry, error], err error) {
	s := m.store
	now := s.config.Now()
	recent := s.recentBuckets(now)
	guess := s.lastHours(now)
	known, isKnown := s.drops.get(m.id)
	if isKnown {
		guess = s.toList(known, recent)
	}
	ahead := prefetch(ctx, s.index.List(ctx, m.id, guess))
	drop, err := s.readDrop(ctx, cql.LocalQuorum, m.id)
	if err != nil {
		return nil, err
	}
	s.drops.put(m.id, drop)
	list := s.toList(drop, recent)
	switch {
	case slices.Equal(guess, list):
		return []iter.Seq2[Entry, error]{ahead}, nil
	case isKnown: // another process has delivered, or proved something
		return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, list)}, nil
	}
	ahead = outsideGaps(ahead, drop)
	older, later := around(list, span{guess[0].From, guess[len(guess)-1].To})
	behind := prefetch(ctx, s.index.List(ctx, m.id, later)) // side by side with what is older
	return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, older), ahead, behind}, nil
}

// outsideGaps leaves out what lies in a gap: it was read before the gaps were known.
func outsideGaps(seq iter.Seq2[Entry, error], drop dropRows) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for entry, err := range seq {
			if err == nil && drop.inGap(entry.ID) {
				continue
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// recentBuckets are those that may have mail of which the mailbox's own
// partition does not know here yet: the one before, the current one, and the
// one of a clock that is ahead.
func (s *Session) recentBuckets(now time.Time) []int64 {
	current := s.bucketAt(now)
	return slices.Compact([]int64{current - 1, current, s.bucketAt(now.Add(s.config.Horizon))})
}

// lastHours is a stretch that is worth reading whatever else there is: no gap
// reaches into it far, and what passed through it is not much.
func (s *Session) lastHours(now time.Time) (list []Slice) {
	horizon := s.config.Horizon
	whole := span{now.Add(-2 * horizon).UnixMicro(), now.Add(horizon).UnixMicro()}
	current := s.bucketAt(now) // and no more than its neighbours, where buckets are short
	for bucket := max(current-1, s.bucketAt(time.UnixMicro(whole.from))); bucket <= min(current+1, s.bucketAt(time.UnixMicro(whole.to))); bucket++ {
		slice := s.bucketSlice(bucket)
		slice.From, slice.To = max(slice.From, whole.from), min(slice.To, whole.to)
		list = append(list, slice)
	}
	return list
}

// around returns what of the slices lies before a span, and what behind it.
func around(list []Slice, middle span) (before, behind []Slice) {
	for _, slice := range list {
		if slice.From < middle.from {
			part := slice
			part.To = min(part.To, middle.from-1)
			before = append(before, part)
		}
		if slice.To > middle.to {
			part := slice
			part.From = max(part.From, middle.to+1)
			behind = append(behind, part)
		}
	}
	return before, behind
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

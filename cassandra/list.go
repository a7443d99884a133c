package cassandra

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// Messages implements [mailbox.Mailbox]. Where this process knows the mailbox's
// own partition from before, that partition and the listing are read at the same
// time, which is one round trip; else the listing waits for it, but for the mail
// of the last hours. Ranges that are proven empty are not read.
func (m *mailboxSession) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
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
func (m *mailboxSession) listing(ctx context.Context) (parts []iter.Seq2[Entry, error], err error) {
	s := m.store
	now := s.config.Now()
	recent := s.recentBuckets(now)
	guess := s.lastHours(now)
	known, isKnown := s.ledgers.get(m.id)
	if isKnown {
		guess = s.toList(known, recent)
	}
	ahead := prefetch(ctx, s.index.List(ctx, m.id, guess))
	ledger, err := s.readLedger(ctx, cql.LocalQuorum, m.id)
	if err != nil {
		return nil, err
	}
	s.ledgers.put(m.id, ledger)
	list := s.toList(ledger, recent)
	switch {
	case slices.Equal(guess, list):
		return []iter.Seq2[Entry, error]{ahead}, nil
	case isKnown: // another process has delivered, or proved something
		return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, list)}, nil
	}
	ahead = outsideGaps(ahead, ledger)
	older, later := around(list, span{guess[0].From, guess[len(guess)-1].To})
	behind := prefetch(ctx, s.index.List(ctx, m.id, later)) // side by side with what is older
	return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, older), ahead, behind}, nil
}

// outsideGaps leaves out what lies in a gap: it was read before the gaps were known.
func outsideGaps(seq iter.Seq2[Entry, error], ledger ledgerRows) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for entry, err := range seq {
			if err == nil && ledger.inGap(entry.ID) {
				continue
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

// lastHours is a stretch that is worth reading whatever else there is: no gap
// reaches into it far, and what passed through it is not much.
func (s *Store) lastHours(now time.Time) (list []Slice) {
	horizon := s.config.Horizon
	whole := span{now.Add(-2 * horizon).UnixMicro(), now.Add(horizon).UnixMicro()}
	current := s.session.bucketAt(now) // and no more than its neighbours, where buckets are short
	for bucket := max(current-1, s.session.bucketAt(time.UnixMicro(whole.from))); bucket <= min(current+1, s.session.bucketAt(time.UnixMicro(whole.to))); bucket++ {
		slice := s.session.bucketSlice(bucket)
		slice.From, slice.To = max(slice.From, whole.from), min(slice.To, whole.to)
		list = append(list, slice)
	}
	return list
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

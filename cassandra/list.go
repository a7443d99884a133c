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

// Messages implements [mailbox.Mailbox]. If this process remembers the ledger
// of the mailbox, it reads ledger and listing at the same time, in one round
// trip. Else it reads the ledger and the mail of the last hours at the same
// time, and then the rest of the listing. It does not read the gaps.
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

// listing reads the ledger, and at the same time the part of the listing that
// will most likely be wanted. It returns the listing in parts, which are in
// order.
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
	case isKnown: // another process has changed the ledger
		return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, list)}, nil
	}
	ahead = outsideGaps(ahead, ledger)
	older, later := around(list, span{guess[0].From, guess[len(guess)-1].To})
	rest := prefetch(ctx, s.index.List(ctx, m.id, later)) // while the older part is read
	return []iter.Seq2[Entry, error]{s.index.List(ctx, m.id, older), ahead, rest}, nil
}

// outsideGaps leaves out the entries in gaps. They were read before the gaps
// were known.
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

// lastHours returns slices that are worth reading before the ledger is known:
// no gap reaches far into them, and they have few tombstones.
func (s *Store) lastHours(now time.Time) (list []Slice) {
	horizon := s.config.Horizon
	whole := span{now.Add(-2 * horizon).UnixMicro(), now.Add(horizon).UnixMicro()}
	current := s.session.bucketAt(now) // if buckets are short: this one and its neighbours only
	for bucket := max(current-1, s.session.bucketAt(time.UnixMicro(whole.from))); bucket <= min(current+1, s.session.bucketAt(time.UnixMicro(whole.to))); bucket++ {
		slice := s.session.bucketSlice(bucket)
		slice.From, slice.To = max(slice.From, whole.from), min(slice.To, whole.to)
		list = append(list, slice)
	}
	return list
}

// prefetch returns the same sequence, and begins to read it at once, up to
// listingPage entries ahead. It ends with ctx.
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

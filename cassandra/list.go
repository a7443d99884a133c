package cassandra

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// Messages implements [mailbox.Mailbox]. It reads the ledger, and then what the
// ledger names, side by side: two round trips for almost all mailboxes. Nothing
// is guessed, since a guess would read the tombstones that a seal spares.
func (m *mailboxSession) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		fail := func(err error) { yield(mailbox.Message{}, fmt.Errorf("cassandra: list mailbox: %w", err)) }
		if m.store.isClosed() {
			fail(mailbox.ErrClosed)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		m.listed = m.listed[:0]
		l, err := m.store.readLedger(ctx, cql.LocalQuorum, m.id)
		if err != nil {
			fail(temporary(err))
			return
		}
		for entry, err := range m.list(ctx, &l) {
			if err != nil {
				fail(temporary(err))
				return
			}
			m.listed = append(m.listed, entry.ID)
			if !yield(entry.message(), nil) {
				return
			}
		}
	}
}

// list lists what the ledger names. Buckets of one width do not overlap, so
// that there is a sequence of entries for each width.
func (m *mailboxSession) list(ctx context.Context, l *ledger) iter.Seq2[Entry, error] {
	var byWidth [widthBits + 1][]Slice
	cuts := make(map[int64]*atomic.Bool) // by bucket: it has too many tombstones
	now := m.store.config.Now()
	since := m.store.config.oldest(now)
	var over []int64 // buckets that are too old as a whole
	for _, row := range l.buckets {
		if BucketSlice(row.bucket).To < since {
			over = append(over, row.bucket)
			continue
		}
		cut := new(atomic.Bool)
		cuts[row.bucket] = cut
		for _, slice := range row.slices(now, since) {
			slice.cut = cut
			w := widthOf(row.bucket)
			byWidth[w] = append(byWidth[w], slice)
		}
	}
	var sequences []iter.Seq2[Entry, error]
	for _, list := range byWidth {
		if len(list) > 0 {
			sequences = append(sequences, m.store.index.List(ctx, cql.LocalQuorum, m.id, list))
		}
	}
	return func(yield func(Entry, error) bool) {
		listed := 0
		for entry, err := range merge(ctx, sequences) {
			listed++
			if !yield(entry, err) {
				break
			}
		}
		m.sealCrowded(cuts, listed)
		m.expireAfter(over)
	}
}

// sealCrowded asks for a proof if buckets had too many tombstones. If much mail
// is listed, no seal would hold it.
func (m *mailboxSession) sealCrowded(cuts map[int64]*atomic.Bool, listed int) {
	var crowded []int64
	for bucket, cut := range cuts {
		if cut.Load() {
			crowded = append(crowded, bucket)
		}
	}
	if len(crowded) == 0 {
		return
	}
	m.store.met.crowded.Add(int64(len(crowded)))
	if listed <= sealedIDs {
		slices.Sort(crowded)
		m.store.proveAfter(m.user, tooManyTombstones, crowded)
	}
}

// merge merges sequences of entries that ascend, by their IDs. They are read
// side by side. The first error ends the sequence.
func merge(ctx context.Context, sequences []iter.Seq2[Entry, error]) iter.Seq2[Entry, error] {
	if len(sequences) == 1 {
		return sequences[0]
	}
	type head struct {
		entry Entry
		err   error
		next  func() (Entry, error, bool)
	}
	return func(yield func(Entry, error) bool) {
		var heads []head
		for _, sequence := range sequences {
			next, stop := iter.Pull2(prefetch(ctx, sequence))
			defer stop()
			heads = append(heads, head{next: next})
		}
		advance := func(i int) {
			ok := false
			if heads[i].entry, heads[i].err, ok = heads[i].next(); !ok {
				heads = append(heads[:i], heads[i+1:]...)
			}
		}
		for i := len(heads) - 1; i >= 0; i-- {
			advance(i)
		}
		for len(heads) > 0 {
			first := 0
			for i, h := range heads {
				if h.err != nil {
					yield(Entry{}, h.err)
					return
				}
				if h.entry.ID.Compare(heads[first].entry.ID) < 0 {
					first = i
				}
			}
			if !yield(heads[first].entry, nil) {
				return
			}
			advance(first)
		}
	}
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

package projection

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// readers is how many buckets of a mailbox are read at a time.
const readers = 8

// List implements [cassandra.Index].
func (p *Projection) List(ctx context.Context, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return p.list(ctx, cql.LocalQuorum, mailbox, slices)
}

// ListEverywhere implements [cassandra.Index].
func (p *Projection) ListEverywhere(ctx context.Context, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return p.list(ctx, cql.EachQuorum, mailbox, slices)
}

// page is some entries of a slice, or the error that ends it.
type page struct {
	entries []cassandra.Entry
	err     error
}

// list reads several slices at a time, each a page ahead, and yields their entries
// in order.
func (p *Projection) list(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return func(yield func(cassandra.Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pages := make([]chan page, len(slices))
		begin := func(i int) {
			pages[i] = make(chan page, 1)
			go func() {
				defer close(pages[i])
				take := func(entries []cassandra.Entry) error { return send(ctx, pages[i], page{entries: entries}) }
				r := &reading{Projection: p, level: level, mailbox: mailbox, take: take}
				if err := r.read(ctx, slices[i]); err != nil {
					send(ctx, pages[i], page{err: err})
				}
			}()
		}
		for i := range min(readers, len(slices)) {
			begin(i)
		}
		for i := range slices {
			for page := range pages[i] {
				for _, entry := range page.entries {
					if !yield(entry, nil) {
						return
					}
				}
				if page.err != nil {
					yield(cassandra.Entry{}, page.err)
					return
				}
			}
			if err := ctx.Err(); err != nil {
				yield(cassandra.Entry{}, err)
				return
			}
			if next := i + readers; next < len(slices) {
				begin(next)
			}
		}
	}
}

// send sends a page, or returns the context's error if that ends first.
func send(ctx context.Context, pages chan<- page, p page) error {
	select {
	case pages <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reading is the reading of one slice of the listing.
type reading struct {
	*Projection
	level   cql.Level
	mailbox cassandra.MailboxID
	take    func([]cassandra.Entry) error

	last cassandra.MessageID // of the last page that was taken
}

// read reads a stretch of the slice, page by page. One with too many tombstones is
// read in two halves.
func (r *reading) read(ctx context.Context, stretch cassandra.Slice) error {
	first, end := stretch.Borders()
	var state []byte
	for {
		var entries []cassandra.Entry
		next, err := r.db.Page(ctx, r.level, selectSlice, state, func(row cql.Row) error {
			var id [16]byte
			var entry cassandra.Entry
			if err := row.Scan(&id, &entry.Size, &entry.UIDL); err != nil {
				return err
			}
			entry.ID = id
			entries = append(entries, entry)
			return nil
		}, [16]byte(r.mailbox), stretch.Bucket, [16]byte(first), [16]byte(end))
		if errors.Is(err, cql.ErrTooManyTombstones) {
			return r.readHalves(ctx, stretch, err)
		}
		if err != nil {
			return fmt.Errorf("projection: list: %w", err)
		}
		if err := r.pass(entries); err != nil || next == nil {
			return err
		}
		state = next
	}
}

// readHalves reads what is left of a stretch, in two halves.
func (r *reading) readHalves(ctx context.Context, stretch cassandra.Slice, cause error) error {
	stretch.From = max(stretch.From, r.last.Timestamp())
	lower, upper, ok := stretch.Halves()
	if !ok {
		return fmt.Errorf("projection: list: %w", cause)
	}
	if err := r.read(ctx, lower); err != nil {
		return err
	}
	return r.read(ctx, upper)
}

// pass passes entries on, except those that it has passed on before.
func (r *reading) pass(entries []cassandra.Entry) error {
	for len(entries) > 0 && entries[0].ID.Compare(r.last) <= 0 {
		entries = entries[1:]
	}
	if len(entries) == 0 {
		return nil
	}
	r.last = entries[len(entries)-1].ID
	return r.take(entries)
}

package projection

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// readers is how many slices of a mailbox are read at a time.
const readers = 16

// page is some entries of a slice, or the error that ends it.
type page struct {
	entries []cassandra.Entry
	err     error
}

// List implements [cassandra.Index]. It reads several slices at a time, each a
// page ahead, and yields their entries in order.
func (p *Projection) List(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
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

// read reads the slice, page by page. One with too many tombstones is read in
// parts.
func (r *reading) read(ctx context.Context, slice cassandra.Slice) error {
	st, values := r.statement(slice)
	var state []byte
	for {
		var entries []cassandra.Entry
		next, err := r.db.Page(ctx, r.level, st, state, func(row cql.Row) error {
			var id [16]byte
			var entry cassandra.Entry
			if err := row.Scan(&id, &entry.Size, &entry.UIDL); err != nil {
				return err
			}
			entry.ID = id
			entries = append(entries, entry)
			return nil
		}, values...)
		if errors.Is(err, cql.ErrTooManyTombstones) {
			return r.readParts(ctx, slice, err)
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

// statement returns the statement that reads a slice, and its values.
func (r *reading) statement(slice cassandra.Slice) (*cql.Statement, []any) {
	values := []any{[16]byte(r.mailbox), slice.Bucket}
	if slice.IDs == nil {
		first, last := slice.Borders()
		return selectSlice, append(values, [16]byte(first), [16]byte(last))
	}
	keys := make([][16]byte, len(slice.IDs))
	for i, id := range slice.IDs {
		keys[i] = id
	}
	return selectIDs, append(values, keys)
}

// readParts reads what is left of a slice in parts, side by side.
func (r *reading) readParts(ctx context.Context, slice cassandra.Slice, cause error) error {
	slice.From = max(slice.From, r.last.Timestamp())
	parts, ok := slice.Parts()
	if !ok {
		return fmt.Errorf("projection: list: %w", cause)
	}
	var entries []cassandra.Entry
	for entry, err := range r.List(ctx, r.level, r.mailbox, parts) {
		if err != nil {
			return err
		}
		if entries = append(entries, entry); len(entries) == listingPage {
			if err := r.pass(entries); err != nil {
				return err
			}
			entries = nil
		}
	}
	return r.pass(entries)
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

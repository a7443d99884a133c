package projection

import (
	"context"
	"fmt"
	"iter"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/cql"
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

// page is a stretch of the listing, or what went wrong.
type page struct {
	entries []cassandra.Entry
	err     error
}

// list reads the slices side by side, a page of each ahead, and yields them in
// order.
func (p *Projection) list(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slices []cassandra.Slice) iter.Seq2[cassandra.Entry, error] {
	return func(yield func(cassandra.Entry, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		pages := make([]chan page, len(slices))
		begin := func(i int) {
			pages[i] = make(chan page, 1)
			go func() {
				defer close(pages[i])
				err := p.read(ctx, level, mailbox, slices[i], func(entries []cassandra.Entry) error {
					return hand(ctx, pages[i], page{entries: entries})
				})
				if err != nil {
					hand(ctx, pages[i], page{err: err})
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

// hand hands a page on, unless nobody takes it any more.
func hand(ctx context.Context, pages chan<- page, p page) error {
	select {
	case pages <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read reads one slice, page by page. One in which there are too many
// tombstones is read in two halves, whatever was handed on already left out.
func (p *Projection) read(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice, take func([]cassandra.Entry) error) error {
	var state []byte
	var last cassandra.MessageID
	read := 0
	for {
		var entries []cassandra.Entry
		first, end := slice.Borders()
		next, err := p.session.Driver().Page(ctx, level, selectSlice, state, func(row cql.Row) error {
			var id [16]byte
			var entry cassandra.Entry
			if err := row.Scan(&id, &entry.Size, &entry.UIDL); err != nil {
				return err
			}
			entry.ID = id
			entries = append(entries, entry)
			return nil
		}, [16]byte(mailbox), slice.Bucket, [16]byte(first), [16]byte(end))
		if cql.TooManyTombstones(err) {
			return p.readHalves(ctx, level, mailbox, slice, last, read > 0, take, err)
		}
		if err != nil {
			return fmt.Errorf("projection: list: %w", err)
		}
		if len(entries) > 0 {
			last = entries[len(entries)-1].ID
			read += len(entries)
			if err := take(entries); err != nil {
				return err
			}
		}
		if next == nil {
			return nil
		}
		state = next
	}
}

// readHalves reads a slice in two halves. Entries up to last were handed on.
func (p *Projection) readHalves(ctx context.Context, level cql.Level, mailbox cassandra.MailboxID, slice cassandra.Slice,
	last cassandra.MessageID, begun bool, take func([]cassandra.Entry) error, cause error) error {
	takeNew := func(entries []cassandra.Entry) error {
		for begun && len(entries) > 0 && entries[0].ID.Compare(last) <= 0 {
			entries = entries[1:]
		}
		if len(entries) == 0 {
			return nil
		}
		return take(entries)
	}
	if begun {
		slice.From = last.Timestamp()
	}
	lower, upper, ok := slice.Halves()
	if !ok {
		return fmt.Errorf("projection: list: %w", cause)
	}
	if err := p.read(ctx, level, mailbox, lower, takeNew); err != nil {
		return err
	}
	return p.read(ctx, level, mailbox, upper, takeNew)
}

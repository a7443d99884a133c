package projection

import (
	"context"
	"fmt"
	"iter"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// Scan implements [cassandra.Index]. A stretch with too many tombstones is an
// error, [cql.ErrTooManyTombstones]: the store then lists its buckets one by one.
func (p *Projection) Scan(ctx context.Context, after, until int64) iter.Seq2[cassandra.Listed, error] {
	return func(yield func(cassandra.Listed, error) bool) {
		var state []byte
		for {
			var page []cassandra.Listed
			next, err := p.db.Page(ctx, cql.EachQuorum, selectTokens, state, func(row cql.Row) error {
				var mailbox, id [16]byte
				var l cassandra.Listed
				if err := row.Scan(&mailbox, &l.Bucket, &id, &l.Size, &l.UIDL); err != nil {
					return err
				}
				l.Mailbox, l.ID = mailbox, id
				page = append(page, l)
				return nil
			}, after, until)
			if err != nil {
				yield(cassandra.Listed{}, fmt.Errorf("projection: scan: %w", err))
				return
			}
			for _, l := range page {
				if !yield(l, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			state = next
		}
	}
}

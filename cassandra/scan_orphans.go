package cassandra

import (
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// homeless examines the content that does not name its mailbox, and that no
// membership of the whole round belongs to. If an earlier run began the round,
// its comparisons are not known here, and the content is postponed.
func (sc *scan) homeless(ctx context.Context) error {
	at := sc.contents.homeless()
	if !sc.resumed {
		return sc.orphans(ctx, at)
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.progress.Postponed += len(at)
	return nil
}

// orphans examines the content at tokens, which neither a membership nor an
// entry of the index belongs to.
func (sc *scan) orphans(ctx context.Context, at []int64) error {
	if len(at) == 0 || sc.relists {
		return nil
	}
	ids, err := sc.store.contentIDs(ctx, at)
	if err != nil {
		return err
	}
	return parallel.Each(lookers, len(ids), func(i int) error {
		id := ids[i]
		content, err := sc.store.countContent(ctx, id)
		if err != nil || !content.exists() {
			return sc.fail(ctx, err)
		}
		return sc.examineSuspects(ctx, suspects{bucketKey: bucketKey{content.mailbox, sc.store.session.Bucket(id)}, ids: []MessageID{id}})
	})
}

// contentIDs returns the IDs of the messages whose content is at tokens.
func (s *Store) contentIDs(ctx context.Context, at []int64) (ids []MessageID, err error) {
	found := make([][]MessageID, len(at))
	err = parallel.Each(lookers, len(at), func(i int) error {
		return cql.Each(ctx, s.db, cql.EachQuorum, selectContentAt, func(row cql.Row) error {
			var id [16]byte
			err := row.Scan(&id)
			found[i] = append(found[i], id)
			return err
		}, at[i]-1, at[i])
	})
	return slices.Concat(found...), err
}

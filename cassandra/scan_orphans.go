package cassandra

import (
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// homeless has a closer look at content that does not say whose it is: any
// membership may have asked for it. Where the scan was resumed in the middle of
// the round, nobody knows whether one did.
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

// orphans has a closer look at the content at tokens, of which neither the
// memberships nor the index knew.
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

// contentIDs finds the messages whose content lies at tokens.
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

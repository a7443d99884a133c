package cassandra

import (
	"context"
	"errors"
	"iter"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// readContents reads the content in a range of the ring, and handles what has
// no membership.
func (sc *scan) readContents(ctx context.Context, stretch tokens) error {
	window := parallel.NewWindow(lookers)
	defer window.Wait()
	for content, err := range sc.store.contentsIn(ctx, stretch) {
		if err != nil {
			return err
		}
		sc.mu.Lock()
		sc.progress.Contents++
		sc.mu.Unlock()
		window.Run(func() { sc.fail(ctx, sc.checkContent(ctx, content)) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// checkContent handles the content of a message if it has no membership.
func (sc *scan) checkContent(ctx context.Context, content contentCount) error {
	s := sc.store
	if content.mailbox == (MailboxID{}) {
		return sc.homeless(ctx, content.id)
	}
	found, err := s.member(ctx, cql.EachQuorum, content.mailbox, content.id)
	if err != nil || found != memberAbsent {
		return err
	}
	l, err := s.readBucketRow(ctx, cql.EachQuorum, bucketKey{content.mailbox, content.id.Bucket()})
	if err != nil {
		return err
	}
	v, err := s.examine(ctx, cql.EachQuorum, content.mailbox, &l, content.id)
	if err != nil || v.kind != Orphan && !v.young { // the first half of the scan finds the rest
		return err
	}
	return sc.handle(ctx, sc.place, Report{Mailbox: content.mailbox, User: l.user}, v)
}

// homeless handles content that does not name its mailbox. The first half of
// the scan has found the membership that it may have. If an earlier run did
// that half, or if it has found too many, the content is postponed.
func (sc *scan) homeless(ctx context.Context, id MessageID) error {
	sc.mu.Lock()
	has, known := sc.incomplete[id], sc.incomplete != nil && len(sc.incomplete) < waitingLooks
	sc.mu.Unlock()
	switch {
	case has:
		return nil
	case !known:
		sc.postpone()
		return nil
	}
	v, err := sc.store.lookAgain(ctx, cql.EachQuorum, MailboxID{}, id)
	if err != nil {
		return err
	}
	return sc.handle(ctx, sc.place, Report{}, v)
}

// contentsIn reads what exists of the content of messages, in a range of the
// ring. A range with too many tombstones is read in halves.
func (s *Store) contentsIn(ctx context.Context, stretch tokens) iter.Seq2[contentCount, error] {
	type part struct {
		id     MessageID
		box    []byte
		size   *int64
		chunks *int
		chunk  *int
	}
	read := func(stretch tokens) iter.Seq2[part, error] {
		return rows(ctx, s.db, cql.EachQuorum, selectContentsIn, func(row cql.Row) (p part, err error) {
			var id [16]byte
			err = row.Scan(&id, &p.box, &p.size, &p.chunks, nil, nil, &p.chunk)
			p.id = id
			return p, err
		}, stretch.after, stretch.until)
	}
	return func(yield func(contentCount, error) bool) {
		var walk func(tokens) bool
		walk = func(stretch tokens) bool {
			var last contentCount
			for p, err := range read(stretch) {
				if middle, ok := stretch.middle(); ok && errors.Is(err, cql.ErrTooManyTombstones) {
					if last.exists() { // it is read again, whole
						stretch.after = max(stretch.after, contentToken(last.id)-1)
						middle, _ = stretch.middle()
					}
					return walk(tokens{stretch.after, middle}) && walk(tokens{middle, stretch.until})
				}
				if err != nil {
					yield(last, err)
					return false
				}
				if last.exists() && last.id != p.id {
					if !yield(last, nil) {
						return false
					}
					last = contentCount{}
				}
				last.id = p.id
				last.count(p.box, p.size, p.chunks, p.chunk)
			}
			return !last.exists() || yield(last, nil)
		}
		walk(stretch)
	}
}

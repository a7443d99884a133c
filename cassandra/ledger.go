package cassandra

import (
	"context"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// ledgerRows is the ledger of a mailbox: the partition that belongs to the
// mailbox itself. Its rows only grow, so that what was read once stays true,
// and may be remembered.
type ledgerRows struct {
	buckets []int64 // that ever got mail, ascending
	gaps    []span  // ascending; they neither overlap nor touch
	fence   int64   // microseconds: every proof so far is of a range up to here

	gapStarts map[int64]struct{} // where the rows of the gaps begin, before merging
}

func (s *Store) readLedger(ctx context.Context, level cql.Level, mailbox MailboxID) (rows ledgerRows, err error) {
	err = cql.Each(ctx, s.db, level, selectLedger, func(row cql.Row) error {
		var kind string
		var start, until int64
		if err := row.Scan(&kind, &start, &until); err != nil {
			return err
		}
		switch kind {
		case kindBucket:
			rows.buckets = append(rows.buckets, start)
		case kindGap:
			rows.gaps = append(rows.gaps, span{start, until})
			if rows.gapStarts == nil {
				rows.gapStarts = make(map[int64]struct{})
			}
			rows.gapStarts[start] = struct{}{}
		case kindFence:
			rows.fence = max(rows.fence, until)
		}
		return nil
	}, [16]byte(mailbox))
	rows.gaps = merge(rows.gaps)
	return rows, err
}

func (l ledgerRows) inGap(id MessageID) bool {
	t := id.Timestamp()
	return len(subtract(span{t, t}, l.gaps)) == 0
}

// toList returns what must be read to list a mailbox: the buckets that ever got
// mail, and the recent ones, without the gaps.
func (s *Store) toList(ledger ledgerRows, recent []int64) []Slice {
	buckets := slices.Concat(ledger.buckets, recent)
	slices.Sort(buckets)
	var list []Slice
	for _, bucket := range slices.Compact(buckets) {
		list = append(list, s.session.bucketSlice(bucket).without(ledger.gaps)...)
	}
	return list
}

// addBucket makes sure that the ledger has the bucket of an attempt. The
// timestamp of the row is a constant, so that writing it again changes nothing.
func (s *Store) addBucket(ctx context.Context, a *attempt) error {
	key := bucketKey{a.mailbox, a.bucket}
	if s.buckets.has(key) {
		return nil
	}
	if err := s.writeBucket(ctx, key, a.user); err != nil {
		return err
	}
	s.buckets.add(key)
	return nil
}

func (s *Store) writeBucket(ctx context.Context, key bucketKey, user string) error {
	const always = 1
	return s.db.Exec(ctx, cql.LocalQuorum, insertBucket, always, [16]byte(key.mailbox), kindBucket, key.bucket, user)
}

// ledgerOf reads the ledger of a mailbox in every data centre. The zero ID, of
// content whose mailbox is unknown, has none.
func (s *Store) ledgerOf(ctx context.Context, mailbox MailboxID) (ledgerRows, error) {
	if mailbox == (MailboxID{}) {
		return ledgerRows{}, nil
	}
	return s.readLedger(ctx, cql.EachQuorum, mailbox)
}

// recentBuckets returns the buckets that may have mail although the ledger does
// not say so yet in this data centre: the current one, the one before it, and
// that of a clock that is ahead.
func (s *Store) recentBuckets(now time.Time) []int64 {
	current := s.session.bucketAt(now)
	return slices.Compact([]int64{current - 1, current, s.session.bucketAt(now.Add(s.config.Horizon))})
}

// ownerOf reads, in every data centre, the ledger of a mailbox and whose
// mailbox it is. The zero ID, of content whose mailbox is unknown, has neither.
func (s *Store) ownerOf(ctx context.Context, mailbox MailboxID) (of Report, ledger ledgerRows, err error) {
	of.Mailbox = mailbox
	if mailbox == (MailboxID{}) {
		return of, ledger, nil
	}
	err = cql.Each(ctx, s.db, cql.EachQuorum, selectUser, func(row cql.Row) error { return row.Scan(&of.User) }, [16]byte(mailbox))
	if err == nil {
		ledger, err = s.readLedger(ctx, cql.EachQuorum, mailbox)
	}
	return of, ledger, err
}

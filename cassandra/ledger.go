package cassandra

import (
	"cmp"
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
)

// bucketKey names a bucket of a mailbox.
type bucketKey struct {
	mailbox MailboxID
	bucket  int64
}

// ledger is the ledger of a mailbox, or what was read of it.
type ledger struct {
	user    string // "": row -1 is missing
	fence   int64  // microseconds: no delivery with an ID up to here is acknowledged any more
	buckets []ledgerRow
}

// ledgerRow is the row of a bucket, which says that the bucket may have mail.
type ledgerRow struct {
	bucket int64
	crowd  int   // see crowds
	opened int64 // see Store.openBucket
	seal   *seal // nil: none
}

// ownRow is the key of the mailbox's own row. No bucket has that number, unless
// its messages are from before 1970.
const ownRow = int64(-1)

// add adds a row of the table. Its columns are those of ledgerColumns.
func (l *ledger) add(row cql.Row, before ...any) error {
	var r ledgerRow
	var blob []byte
	var user string
	var fence int64
	if err := row.Scan(append(before, &r.bucket, &r.crowd, &r.opened, &blob, &user, &fence)...); err != nil {
		return err
	}
	if r.bucket == ownRow {
		l.user, l.fence = user, fence
		return nil
	}
	r.seal = parseSeal(blob)
	l.buckets = append(l.buckets, r)
	return nil
}

// find returns the row of a bucket, or nil if there is none.
func (l *ledger) find(bucket int64) *ledgerRow {
	i, ok := slices.BinarySearchFunc(l.buckets, bucket, func(r ledgerRow, bucket int64) int { return cmp.Compare(r.bucket, bucket) })
	if !ok {
		return nil
	}
	return &l.buckets[i]
}

// lacks reports whether a bucket that has mail has no row, although a delivery
// would write it.
func (l *ledger) lacks(bucket int64) bool {
	return l.find(bucket) == nil && BucketSlice(bucket).To > l.fence
}

// hides reports whether no session lists a message, whatever the index has: a
// seal leaves it out, or its bucket has no row and gets none from a delivery.
func (l *ledger) hides(id MessageID) bool {
	row := l.find(id.Bucket())
	if row == nil {
		return id.Timestamp() <= l.fence
	}
	sealed := row.sealed()
	return sealed != nil && id.Timestamp() <= sealed.until && !sealed.has(id)
}

// readLedger reads the ledger of a mailbox. The zero ID, of content whose
// mailbox is unknown, has none.
func (s *Store) readLedger(ctx context.Context, level cql.Level, mailbox MailboxID) (l ledger, err error) {
	if mailbox == (MailboxID{}) {
		return l, nil
	}
	err = cql.Each(ctx, s.db, level, selectLedger, func(row cql.Row) error { return l.add(row) }, [16]byte(mailbox))
	return l, err
}

// readBucketRow reads the mailbox's own row and that of one bucket.
func (s *Store) readBucketRow(ctx context.Context, level cql.Level, key bucketKey) (ledger, error) {
	return s.readRows(ctx, level, key.mailbox, ownRow, key.bucket)
}

// readRows reads some rows of a ledger by their keys. The zero ID has none.
func (s *Store) readRows(ctx context.Context, level cql.Level, mailbox MailboxID, buckets ...int64) (l ledger, err error) {
	if mailbox == (MailboxID{}) {
		return l, nil
	}
	err = cql.Each(ctx, s.db, level, selectBucket, func(row cql.Row) error { return l.add(row) }, [16]byte(mailbox), buckets)
	return l, err
}

// enterLedger makes sure that a session reads the bucket of an attempt, and
// returns an error if the ID of the attempt is at or below the mailbox's fence.
//
// It is called after the membership is acknowledged: since quorums of this data
// centre intersect, either a proof has read the membership, or this reads the
// fence. They do not intersect if the replication was raised in between; so an
// attempt that took longer than half of [Config.Horizon] fails too, and so does
// one of a host whose clock is too far behind: see patience. What is missing of
// the two rows is acknowledged before the delivery is. Nothing is remembered: a
// replica that had the rows may be gone.
func (s *Store) enterLedger(ctx context.Context, a *attempt) error {
	l, err := s.readBucketRow(ctx, cql.LocalQuorum, bucketKey{a.mailbox, a.bucket})
	if err != nil {
		return err
	}
	if a.id.Timestamp() <= l.fence || s.config.Now().Sub(a.id.Time()) > s.config.patience() {
		return errClosed
	}
	if err := s.session.checkClock(ctx); err != nil { // it may have been set since the attempt began
		return err
	}
	var batch cql.Batch
	row := l.find(a.bucket)
	if row == nil {
		row = &ledgerRow{bucket: a.bucket}
		batch.Add(insertBucket, always, [16]byte(a.mailbox), a.bucket)
	}
	if l.user == "" {
		batch.Add(insertUser, always, [16]byte(a.mailbox), ownRow, a.user)
	}
	s.crowds.note(&batch, a, row.crowd)
	return s.db.ExecBatch(ctx, cql.LocalQuorum, &batch)
}

// always is the timestamp of values of the ledger that are always the same.
const always = 1

// writeBucket writes the row of a bucket, and the mailbox's own.
func (s *Store) writeBucket(ctx context.Context, level cql.Level, key bucketKey, user string) error {
	var batch cql.Batch
	batch.Add(insertBucket, always, [16]byte(key.mailbox), key.bucket)
	if user != "" {
		batch.Add(insertUser, always, [16]byte(key.mailbox), ownRow, user)
	}
	return s.db.ExecBatch(ctx, level, &batch)
}

package cassandra

import (
	"context"
	"errors"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
)

// comparedRows is about how many memberships each of [ScanOptions.Ranges] holds
// in memory; more if one bucket has more.
const comparedRows = 20_000

// placedMember is a membership with its mailbox and its bucket.
type placedMember struct {
	bucketKey
	memberRow
}

// compareTokens compares the memberships and the index in a range of the ring.
func (sc *scan) compareTokens(ctx context.Context, stretch tokens) error {
	for stretch.after < stretch.until {
		members, until, err := sc.store.readMembersIn(ctx, stretch)
		var entries []Listed
		if err == nil {
			entries, err = sc.store.scanIndex(ctx, tokens{stretch.after, until})
		}
		if errors.Is(err, cql.ErrTooManyTombstones) {
			return sc.compareNarrower(ctx, stretch, err)
		}
		if err != nil {
			return err
		}
		if err := sc.compareRows(ctx, members, entries); err != nil {
			return err
		}
		stretch.after = until
	}
	return nil
}

// compareNarrower compares a range in which there are too many tombstones, in
// smaller ranges, down to a single bucket, which can be read in slices of time.
func (sc *scan) compareNarrower(ctx context.Context, stretch tokens, cause error) error {
	before, bucket, after, ok := sc.known.narrow(stretch)
	if !ok { // a bucket that is in no ledger
		return sc.fail(ctx, cause)
	}
	if err := sc.compareTokens(ctx, before); err != nil {
		return err
	}
	if bucket != nil {
		messages, err := sc.store.readBucket(ctx, bucket.mailbox, bucket.bucket)
		if err == nil {
			err = sc.compareBucket(ctx, bucket.bucketKey, bucket.token, messages)
		}
		if err != nil {
			return err
		}
	}
	return sc.compareTokens(ctx, after)
}

// readMembersIn reads memberships in a range of the ring, whole buckets of
// them. It returns the token up to which it has read.
func (s *Store) readMembersIn(ctx context.Context, stretch tokens) (members []placedMember, until int64, err error) {
	var state []byte
	for {
		state, err = s.db.Page(ctx, cql.EachQuorum, selectMembersIn, state, func(row cql.Row) error {
			var m placedMember
			var mailbox, id [16]byte
			var size *int64
			if err := row.Scan(&mailbox, &m.bucket, &id, &size, &m.removed, nil, nil, nil); err != nil {
				return err
			}
			m.mailbox, m.id = mailbox, id
			m.setSize(size)
			members = append(members, m)
			return nil
		}, stretch.after, stretch.until)
		if err != nil || state == nil {
			return members, stretch.until, err
		}
		if len(members) < comparedRows {
			continue
		}
		// The last bucket may go on after this page.
		end := len(members)
		for last := members[end-1].bucketKey; end > 0 && members[end-1].bucketKey == last; end-- {
		}
		if end > 0 {
			before := members[end-1].bucketKey
			return members[:end], Token(before.mailbox, before.bucket), nil
		}
	}
}

// scanIndex reads the index in a range of the ring.
func (s *Store) scanIndex(ctx context.Context, stretch tokens) (entries []Listed, err error) {
	for entry, err := range s.index.Scan(ctx, stretch.after, stretch.until) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// compareRows merges memberships and entries, which come bucket by bucket in
// the same order.
func (sc *scan) compareRows(ctx context.Context, members []placedMember, entries []Listed) error {
	for len(members)+len(entries) > 0 {
		key, token := nextBucket(members, entries)
		var ms []memberRow
		for ; len(members) > 0 && members[0].bucketKey == key; members = members[1:] {
			ms = append(ms, members[0].memberRow)
		}
		var es []Entry
		for ; len(entries) > 0 && (bucketKey{entries[0].Mailbox, entries[0].Bucket}) == key; entries = entries[1:] {
			es = append(es, entries[0].Entry)
		}
		if err := sc.compareBucket(ctx, key, token, pairs(ms, es)); err != nil {
			return err
		}
	}
	return nil
}

// nextBucket returns the bucket that comes first.
func nextBucket(members []placedMember, entries []Listed) (key bucketKey, token int64) {
	if len(members) > 0 {
		key = members[0].bucketKey
		token = Token(key.mailbox, key.bucket)
	}
	if len(entries) > 0 {
		other := bucketKey{entries[0].Mailbox, entries[0].Bucket}
		at := Token(other.mailbox, other.bucket)
		if len(members) == 0 || at < token || at == token && slices.Compare(other.mailbox[:], key.mailbox[:]) < 0 {
			return other, at
		}
	}
	return key, token
}

// compareBucket compares one bucket with the content that is held in memory,
// and examines what does not fit.
func (sc *scan) compareBucket(ctx context.Context, key bucketKey, token int64, messages []pair) error {
	known := sc.known.find(key, token)
	suspects := suspects{bucketKey: key, unknown: known == nil && sc.place.first == 0 && !sc.relists}
	var unlisted []*memberRow
	live := 0
	for _, p := range messages {
		at := contentToken(p.id)
		if !sc.contents.has(at) {
			continue // its content is held in another round
		}
		member, complete := p.member.isMember(), sc.contents.want(at)
		if member {
			live++
		}
		if member && complete && p.entry == nil {
			unlisted = append(unlisted, p.member)
		}
		if !member || p.entry == nil || !complete || known == nil || known.inGap(p.id) {
			suspects.ids = append(suspects.ids, p.id)
		}
	}
	sc.mu.Lock()
	sc.progress.Messages += live
	sc.mu.Unlock()
	if sc.relists {
		return sc.relist(ctx, key, unlisted)
	}
	return sc.examineSuspects(ctx, suspects)
}

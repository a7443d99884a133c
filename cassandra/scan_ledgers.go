package cassandra

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// knownBuckets are the buckets that are in the ledgers, with their gaps, for
// some parts of the ring: a scan does not read ledgers one by one.
type knownBuckets struct {
	until int // the part after the last one
	rows  []knownBucket
}

type knownBucket struct {
	bucketKey
	token int64
	first bool   // the first bucket of its mailbox
	gaps  []span // that reach into the bucket
}

// heldBuckets is how many buckets, and gaps in them, a scan holds in memory, at
// about 80 octets each. The table is read again for those that do not fit.
const heldBuckets = 500_000

// in returns the buckets in a range of the ring.
func (k *knownBuckets) in(stretch tokens) []knownBucket {
	byToken := func(b knownBucket, token int64) int {
		if b.token <= token {
			return -1
		}
		return 1
	}
	from, _ := slices.BinarySearchFunc(k.rows, stretch.after, byToken)
	to, _ := slices.BinarySearchFunc(k.rows, stretch.until, byToken)
	return k.rows[from:to]
}

// narrow cuts a range that has too many tombstones into two. If exactly one
// known bucket is in it, the bucket is between the two, and is read in slices
// of time. ok is false if nothing is left to cut.
func (k *knownBuckets) narrow(stretch tokens) (before tokens, bucket *knownBucket, after tokens, ok bool) {
	known := k.in(stretch)
	middle, ok := stretch.middle()
	switch len(known) {
	case 0:
	case 1:
		token := known[0].token
		return tokens{stretch.after, token - 1}, &known[0], tokens{token, stretch.until}, true
	default:
		middle = known[len(known)/2-1].token
	}
	return tokens{stretch.after, middle}, nil, tokens{middle, stretch.until}, ok
}

// find returns one bucket, or nil if it is not in the ledger of its mailbox.
func (k *knownBuckets) find(key bucketKey, token int64) *knownBucket {
	i, _ := slices.BinarySearchFunc(k.rows, token, func(b knownBucket, token int64) int { return cmp.Compare(b.token, token) })
	for ; i < len(k.rows) && k.rows[i].token == token; i++ {
		if k.rows[i].bucketKey == key {
			return &k.rows[i]
		}
	}
	return nil
}

// inGap reports whether an ID is in a gap.
func (b *knownBucket) inGap(id MessageID) bool {
	return len(b.gaps) > 0 && ledgerRows{gaps: b.gaps}.inGap(id)
}

// readKnown reads the buckets whose memberships are in the parts of the ring
// from one on, as many parts as fit.
func (s *Store) readKnown(ctx context.Context, from, readers int) (*knownBuckets, error) {
	const stretches = 32
	k := &knownBuckets{until: ringParts}
	var mu sync.Mutex
	size := 0
	keep := func(rows []knownBucket) {
		mu.Lock()
		defer mu.Unlock()
		for _, row := range rows {
			if part := partOf(row.token); part >= from && part < k.until {
				k.rows = append(k.rows, row)
				size += 1 + len(row.gaps)
			}
		}
		for size > heldBuckets && k.until > from+1 {
			k.until = from + (k.until-from)/2
			k.rows = slices.DeleteFunc(k.rows, func(b knownBucket) bool { return partOf(b.token) >= k.until })
			size = len(k.rows)
			for _, row := range k.rows {
				size += len(row.gaps)
			}
		}
	}
	err := parallel.Each(readers, stretches, func(i int) error {
		const each = ringParts / stretches
		return s.readKnownIn(ctx, tokens{partEnd(i*each - 1), partEnd((i+1)*each - 1)}, keep)
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(k.rows, func(a, b knownBucket) int { return cmp.Compare(a.token, b.token) })
	return k, nil
}

// readKnownIn reads the ledgers in a range of the ring, and calls keep for each
// of them. They have no tombstones, since their rows are never deleted.
func (s *Store) readKnownIn(ctx context.Context, stretch tokens, keep func([]knownBucket)) error {
	var mailbox MailboxID
	var buckets []int64
	var gaps []span
	flush := func() {
		rows := make([]knownBucket, len(buckets))
		gaps = merge(gaps)
		for i, bucket := range buckets {
			rows[i] = knownBucket{bucketKey: bucketKey{mailbox, bucket}, token: Token(mailbox, bucket), first: i == 0}
			whole := s.session.bucketSlice(bucket)
			for _, gap := range gaps {
				if gap.from <= whole.To && gap.to >= whole.From {
					rows[i].gaps = append(rows[i].gaps, gap)
				}
			}
		}
		keep(rows)
		buckets, gaps = buckets[:0], gaps[:0]
	}
	err := cql.Each(ctx, s.db, cql.EachQuorum, selectLedgersIn, func(row cql.Row) error {
		var id [16]byte
		var kind string
		var start, until int64
		if err := row.Scan(&id, &kind, &start, &until, nil); err != nil {
			return err
		}
		if mailbox != id {
			flush()
			mailbox = id
		}
		switch kind {
		case kindBucket:
			buckets = append(buckets, start)
		case kindGap:
			gaps = append(gaps, span{start, until})
		}
		return nil
	}, stretch.after, stretch.until)
	flush()
	return err
}

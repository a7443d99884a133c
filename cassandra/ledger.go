package cassandra

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// ledgerRows are the rows of a mailbox's own partition: they only grow, so what
// was read once stays true, and may be remembered.
type ledgerRows struct {
	buckets []int64 // that ever got mail, ascending
	gaps    []span  // proven empty, ascending, neither overlapping nor touching
	fence   int64   // microseconds: up to here somebody is proving, or has proved

	gapStarts map[int64]struct{} // of all rows, before merging
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

func (d ledgerRows) inGap(id MessageID) bool {
	t := id.Timestamp()
	return len(subtract(span{t, t}, d.gaps)) == 0
}

// toList is what must be read to list a mailbox: the buckets that ever got
// mail, and the recent ones, without the gaps.
func (s *Store) toList(ledger ledgerRows, recent []int64) []Slice {
	buckets := slices.Concat(ledger.buckets, recent)
	slices.Sort(buckets)
	var list []Slice
	for _, bucket := range slices.Compact(buckets) {
		list = append(list, s.without(s.session.bucketSlice(bucket), ledger.gaps)...)
	}
	return list
}

// without returns the slices that are left of one without the gaps.
func (s *Store) without(whole Slice, gaps []span) (list []Slice) {
	for _, rest := range subtract(span{whole.From, whole.To}, gaps) {
		list = append(list, Slice{Bucket: whole.Bucket, From: rest.from, To: rest.to})
	}
	return list
}

// ledgerMemory remembers the rows of mailboxes that this process has delivered
// to or listed, so that a session need not wait for them before it reads the
// listing.
type ledgerMemory struct {
	mu     sync.Mutex
	rows   map[MailboxID]ledgerRows
	octets int
}

// rememberedLedgers bounds the memory, in octets: most mailboxes take a few hundred,
// one that has a year of hours as its buckets 70,000. When it is full it begins
// anew.
const rememberedLedgers = 16 << 20

// octets is about what it takes to remember the rows.
func (d ledgerRows) octets() int {
	return 150 + 8*len(d.buckets) + 16*len(d.gaps) + 40*len(d.gapStarts)
}

func (m *ledgerMemory) get(mailbox MailboxID) (ledgerRows, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, ok := m.rows[mailbox]
	return rows, ok
}

func (m *ledgerMemory) put(mailbox MailboxID, rows ledgerRows) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.rows[mailbox]; ok {
		m.octets -= before.octets()
	}
	if m.octets += rows.octets(); m.rows == nil || m.octets > rememberedLedgers {
		m.rows, m.octets = make(map[MailboxID]ledgerRows), rows.octets()
	}
	m.rows[mailbox] = rows
}

// bucketMemory remembers which rows of buckets are acknowledged, so that they
// are written once by a process and not with every delivery. They are never
// deleted, so what is remembered stays true.
type bucketMemory struct {
	mu   sync.Mutex
	seen map[bucketKey]struct{}
}

type bucketKey struct {
	mailbox MailboxID
	bucket  int64
}

// rememberedBuckets bounds the memory, at about 50 octets each. When it is full
// it begins anew.
const rememberedBuckets = 100_000

func (m *bucketMemory) has(key bucketKey) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.seen[key]
	return ok
}

func (m *bucketMemory) add(key bucketKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= rememberedBuckets {
		m.seen = make(map[bucketKey]struct{})
	}
	m.seen[key] = struct{}{}
}

// addBucket makes sure that the mailbox says that the bucket of an attempt got
// mail. The timestamp is a constant, so that writing the row again changes
// nothing.
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

// ledgerOf reads a mailbox's own partition everywhere. What has no mailbox has
// none.
func (s *Store) ledgerOf(ctx context.Context, mailbox MailboxID) (ledgerRows, error) {
	if mailbox == (MailboxID{}) {
		return ledgerRows{}, nil
	}
	return s.readLedger(ctx, cql.EachQuorum, mailbox)
}

// recentBuckets are those that may have mail of which the mailbox's own
// partition does not know here yet: the one before, the current one, and the
// one of a clock that is ahead.
func (s *Store) recentBuckets(now time.Time) []int64 {
	current := s.session.bucketAt(now)
	return slices.Compact([]int64{current - 1, current, s.session.bucketAt(now.Add(s.config.Horizon))})
}

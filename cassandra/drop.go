package cassandra

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/popcask/popcask/internal/cql"
)

// dropRows are the rows of a mailbox's own partition: they only grow, so what
// was read once stays true, and may be remembered.
type dropRows struct {
	buckets []int64 // that ever got mail, ascending
	gaps    []span  // proven empty, ascending, neither overlapping nor touching
	fence   int64   // microseconds: up to here somebody is proving, or has proved

	gapStarts map[int64]struct{} // of all rows, before merging
}

// span is a stretch of time in microseconds; both ends belong to it.
type span struct{ from, to int64 }

func (s *Session) readDrop(ctx context.Context, level cql.Level, mailbox MailboxID) (rows dropRows, err error) {
	err = s.db.Each(ctx, level, selectDrop, func(row cql.Row) error {
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

// merge sorts spans and joins those that overlap or touch.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := spans[:0]
	for _, next := range spans {
		if n := len(merged); n > 0 && next.from <= merged[n-1].to+1 {
			merged[n-1].to = max(merged[n-1].to, next.to)
			continue
		}
		merged = append(merged, next)
	}
	return merged
}

// subtract returns what of a span is in none of holes, which are merged.
func subtract(whole span, holes []span) (rest []span) {
	for _, hole := range holes {
		if hole.to < whole.from {
			continue
		}
		if hole.from > whole.to {
			break
		}
		if hole.from > whole.from {
			rest = append(rest, span{whole.from, hole.from - 1})
		}
		whole.from = hole.to + 1
	}
	if whole.from <= whole.to {
		rest = append(rest, whole)
	}
	return rest
}

func (d dropRows) inGap(id MessageID) bool {
	t := id.Timestamp()
	return len(subtract(span{t, t}, d.gaps)) == 0
}

// toList is what must be read to list a mailbox: the buckets that ever got
// mail, and the recent ones, without the gaps.
func (s *Session) toList(drop dropRows, recent []int64) []Slice {
	buckets := slices.Concat(drop.buckets, recent)
	slices.Sort(buckets)
	var list []Slice
	for _, bucket := range slices.Compact(buckets) {
		list = append(list, s.without(s.bucketSlice(bucket), drop.gaps)...)
	}
	return list
}

// without returns the slices that are left of one without the gaps.
func (s *Session) without(whole Slice, gaps []span) (list []Slice) {
	for _, rest := range subtract(span{whole.From, whole.To}, gaps) {
		list = append(list, Slice{Bucket: whole.Bucket, From: rest.from, To: rest.to})
	}
	return list
}

// dropMemory remembers the rows of mailboxes that this process has delivered
// to or listed, so that a session need not wait for them before it reads the
// listing.
type dropMemory struct {
	mu     sync.Mutex
	rows   map[MailboxID]dropRows
	octets int
}

// rememberedDrops bounds the memory, in octets: most mailboxes take a few hundred,
// one that has a year of hours as its buckets 70,000. When it is full it begins
// anew.
const rememberedDrops = 16 << 20

// octets is about what it takes to remember the rows.
func (d dropRows) octets() int {
	return 150 + 8*len(d.buckets) + 16*len(d.gaps) + 40*len(d.gapStarts)
}

func (m *dropMemory) get(mailbox MailboxID) (dropRows, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows, ok := m.rows[mailbox]
	return rows, ok
}

func (m *dropMemory) put(mailbox MailboxID, rows dropRows) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if before, ok := m.rows[mailbox]; ok {
		m.octets -= before.octets()
	}
	if m.octets += rows.octets(); m.rows == nil || m.octets > rememberedDrops {
		m.rows, m.octets = make(map[MailboxID]dropRows), rows.octets()
	}
	m.rows[mailbox] = rows
}

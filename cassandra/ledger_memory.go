package cassandra

import "sync"

// ledgerMemory remembers the ledgers of mailboxes that this process has
// delivered to or listed, so that a session can read the listing without
// waiting for the ledger.
type ledgerMemory struct {
	mu     sync.Mutex
	rows   map[MailboxID]ledgerRows
	octets int
}

// rememberedLedgers bounds the memory, in octets. Most mailboxes take a few
// hundred; one with a year of buckets of an hour takes 70,000. A full memory is
// emptied.
const rememberedLedgers = 16 << 20

// octets returns about how much memory the rows take.
func (l ledgerRows) octets() int {
	return 150 + 8*len(l.buckets) + 16*len(l.gaps) + 40*len(l.gapStarts)
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

// bucketMemory remembers which rows of buckets are acknowledged, so that a
// process writes each of them once, and not with every delivery. They are never
// deleted, so that this stays true.
type bucketMemory struct {
	mu   sync.Mutex
	seen map[bucketKey]struct{}
}

type bucketKey struct {
	mailbox MailboxID
	bucket  int64
}

// rememberedBuckets bounds the memory, at about 50 octets each. A full memory
// is emptied.
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

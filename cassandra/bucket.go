package cassandra

import (
	"context"
	"sync"

	"github.com/popcask/popcask/internal/cql"
)

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

func (s *Session) writeBucket(ctx context.Context, key bucketKey, user string) error {
	const always = 1
	return s.db.Exec(ctx, cql.LocalQuorum, insertBucket, always, [16]byte(key.mailbox), kindBucket, key.bucket, user)
}

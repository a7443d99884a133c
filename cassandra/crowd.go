package cassandra

import (
	"sync"

	"github.com/popcask/popcask/cassandra/cql"
)

// crowds keeps partitions small: a mailbox that gets much mail has narrower
// buckets. One delivery in a tenth of [Config.BucketMessages] writes the crowd
// of its bucket, which is one more than it has read. Who reads fullBucket mints
// the next IDs of the mailbox in that window one width narrower.
//
// Processes need not agree, and may forget: a session lists every bucket that
// has a row. So a process begins with the widest bucket again, and two that
// write the same crowd at the same moment count as one.
type crowds struct {
	tenth uint64 // of Config.BucketMessages

	mu   sync.Mutex
	full map[bucketKey]struct{}
}

const (
	fullBucket = 10 // tenths

	// rememberedCrowds bounds the memory, at about 50 octets each. A full
	// memory is emptied.
	rememberedCrowds = 100_000
)

func newCrowds(config Config) crowds {
	return crowds{tenth: uint64(max(1, config.BucketMessages/fullBucket)), full: make(map[bucketKey]struct{})}
}

// width returns the width of the bucket for a message of a time, in
// microseconds.
func (c *crowds) width(mailbox MailboxID, at int64) width {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := aMonth
	for ; w < widths-1; w++ {
		if _, full := c.full[bucketKey{mailbox, w.at(at)}]; !full {
			break
		}
	}
	return w
}

// note takes note of the crowd that an attempt has read of its bucket, and adds
// to the batch what the attempt writes of it. The timestamp is the crowd
// itself, so that the largest wins in any order.
func (c *crowds) note(batch *cql.Batch, a *attempt, crowd int) {
	switch {
	case widthOf(a.bucket) >= widths-1:
	case crowd >= fullBucket:
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.full) >= rememberedCrowds {
			clear(c.full)
		}
		c.full[bucketKey{a.mailbox, a.bucket}] = struct{}{}
	case a.id.chance()%c.tenth == 0:
		batch.Add(insertCrowd, int64(crowd+1), [16]byte(a.mailbox), a.bucket, crowd+1)
	}
}

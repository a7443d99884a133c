package clustertests

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/gofrs/uuid/v5"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/internal/storetest"
)

// seeder writes the rows that deliveries leave, many times faster: memberships
// and listings in batches of one partition.
type seeder struct {
	storetest.Tables
	store  *cassandra.Store
	uuids  *uuid.Gen
	octets int // of a message
	noise  string
}

func newSeeder(r storetest.Tables, store *cassandra.Store, octets int) *seeder {
	return &seeder{Tables: r, store: store, uuids: uuid.NewGen(), octets: octets, noise: storetest.BigBody(uint64(octets), 64<<10)}
}

// idAt returns the ID of a message that was delivered at a time. Its bucket has
// the width 0, of 30 days, 1, of a day, or 2, of an hour.
func (s *seeder) idAt(at time.Time, width byte) cassandra.MessageID {
	id, err := s.uuids.NewV1AtTime(at)
	require.NoError(s.T, err)
	id[9] = id[9]&^3 | width
	return cassandra.MessageID(id)
}

// body returns the text of the message of an ID.
func (s *seeder) body(id cassandra.MessageID) string {
	const header = "Subject: %s\r\n\r\n"
	head := fmt.Sprintf(header, id)
	from := int(id[3]) + int(id[2])<<8
	from %= len(s.noise) - s.octets
	return head + s.noise[from:from+s.octets-len(head)-2] + "\r\n"
}

// batch is messages of one user in one bucket.
type batch struct {
	user string
	ids  []cassandra.MessageID
}

// seed spreads messages over the users and over the days before the last two
// hours, and returns their IDs by user.
func (s *seeder) seed(users []string, messages, days int) map[string][]cassandra.MessageID {
	s.T.Helper()
	const writers = 16
	var batches []batch
	seeded := make(map[string][]cassandra.MessageID, len(users))
	for left := messages; left > 0; {
		b := s.newBatch(users[len(batches)%len(users)], left, days)
		left -= len(b.ids)
		batches = append(batches, b)
		seeded[b.user] = append(seeded[b.user], b.ids...)
	}
	require.NoError(s.T, parallel.Each(writers, len(batches), func(i int) error { return s.write(batches[i]) }))
	return seeded
}

// newBatch returns up to 50 messages at some time of the last days. Few are of a
// time at which the mailbox got much mail.
func (s *seeder) newBatch(user string, most, days int) batch {
	b := batch{user: user}
	begin := time.Now().Add(-2*time.Hour - rand.N(time.Duration(days)*24*time.Hour))
	width := byte(max(0, rand.IntN(12)-9))
	for range min(50, most) {
		id := s.idAt(begin.Add(-rand.N(time.Minute)), width)
		if len(b.ids) == 0 || id.Bucket() == b.ids[0].Bucket() {
			b.ids = append(b.ids, id)
		}
	}
	return b
}

// write writes the rows of a batch, with the timestamps that the store would
// give them.
func (s *seeder) write(b batch) error {
	box, name, err := s.store.Mailbox(b.user)
	if err != nil {
		return err
	}
	bucket := b.ids[0].Bucket()
	members, entries := s.statements(), s.statements()
	for _, id := range b.ids {
		at := cassandra.AddedAt(id)
		members.Query(s.In("INSERT INTO KS.mailbox_message (mailbox_id, bucket, message_id, uid, mod_seq, size) VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"),
			[16]byte(box), bucket, [16]byte(id), rand.Int64N(1<<32), rand.Int64(), int64(s.octets), at)
		entries.Query(s.In("INSERT INTO KS.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?"),
			[16]byte(box), bucket, [16]byte(id), int64(s.octets), at)
	}
	rows := s.statements()
	rows.Query(s.In("INSERT INTO KS.ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1"), [16]byte(box), bucket)
	rows.Query(s.In("INSERT INTO KS.ledger (mailbox_id, bucket, user) VALUES (?, -1, ?) USING TIMESTAMP 1"), [16]byte(box), name)
	for _, batch := range []*gocql.Batch{members, entries, rows} {
		if err := s.CQL.ExecuteBatch(batch); err != nil {
			return err
		}
	}
	return s.writeContents([16]byte(box), b.ids)
}

// writeContents writes contents, several in a batch to save round trips, but no
// more than the octets that a node accepts in a batch of several partitions.
func (s *seeder) writeContents(box [16]byte, ids []cassandra.MessageID) error {
	const most = 24 << 10
	for some := range slices.Chunk(ids, max(1, most/(s.octets+200))) {
		batch := s.statements()
		for _, id := range some {
			text := []byte(s.body(id))
			sum := sha256.Sum256(text)
			head := strings.Index(string(text), "\r\n\r\n") + 4
			batch.Query(s.In("INSERT INTO KS.message (message_id, chunk, data, mailbox_id, size, chunks, head, sha256) VALUES (?, 0, ?, ?, ?, 1, ?, ?) USING TIMESTAMP ?"),
				[16]byte(id), text, box, int64(len(text)), head, sum[:], cassandra.AddedAt(id))
		}
		if err := s.CQL.ExecuteBatch(batch); err != nil {
			return err
		}
	}
	return nil
}

// patient repeats what a busy node had no time for, with the same timestamps.
var patient = &gocql.ExponentialBackoffRetryPolicy{NumRetries: 8, Min: 100 * time.Millisecond, Max: 5 * time.Second}

func (s *seeder) statements() *gocql.Batch {
	b := s.CQL.NewBatch(gocql.UnloggedBatch).DefaultTimestamp(false).RetryPolicy(patient)
	b.SetConsistency(gocql.LocalQuorum)
	return b
}

// usersNamed makes names for so many users.
func usersNamed(prefix string, n int) []string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("%s%d@example.org", prefix, i)
	}
	return users
}

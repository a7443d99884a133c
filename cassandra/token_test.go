package cassandra

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// Tokens are computed as the nodes compute them: else a scan would look for
// content in the wrong place.
func TestTokensAreThoseOfTheNodes(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	db := cluster.Session(t, "")
	keyspace := cluster.Keyspace(t)
	require.NoError(t, db.Query("CREATE TABLE "+keyspace+".pair (m uuid, b bigint, PRIMARY KEY ((m, b)))").Exec())
	require.NoError(t, db.Query("CREATE TABLE "+keyspace+".one (id timeuuid PRIMARY KEY)").Exec())
	const many = 300
	for i := range many {
		var mailbox MailboxID
		var number [8]byte
		rand.Read(mailbox[:])
		rand.Read(number[:])
		bucket := int64(binary.BigEndian.Uint64(number[:]))
		if i%2 == 0 {
			bucket %= 10_000 // as real ones are
		}
		require.NoError(t, db.Query("INSERT INTO "+keyspace+".pair (m, b) VALUES (?, ?)", gocql.UUID(mailbox), bucket).Exec())
		require.NoError(t, db.Query("INSERT INTO "+keyspace+".one (id) VALUES (?)", gocql.TimeUUID()).Exec())
	}
	var id gocql.UUID
	var bucket, token int64
	n := 0
	for rows := db.Query("SELECT m, b, token(m, b) FROM " + keyspace + ".pair").Iter(); rows.Scan(&id, &bucket, &token); n++ {
		require.Equal(t, token, Token(MailboxID(id), bucket))
	}
	for rows := db.Query("SELECT id, token(id) FROM " + keyspace + ".one").Iter(); rows.Scan(&id, &token); n++ {
		require.Equal(t, token, contentToken(MessageID(id)))
	}
	require.Equal(t, 2*many, n)
}

// Every token is in exactly one part of the ring.
func TestPartsOfTheRing(t *testing.T) {
	require.Equal(t, int64(math.MinInt64), partEnd(-1))
	for part := range ringParts {
		stretch := partTokens(part)
		require.Less(t, stretch.after, stretch.until)
		for _, token := range []int64{stretch.after + 1, stretch.after/2 + stretch.until/2, stretch.until - 1, stretch.until} {
			require.Equal(t, part, partOf(token), fmt.Sprint(token))
			require.True(t, stretch.has(token))
		}
		if part > 0 {
			require.Equal(t, part-1, partOf(stretch.after))
			require.False(t, stretch.has(stretch.after))
		}
		middle, ok := stretch.middle()
		require.True(t, ok)
		require.Equal(t, part, partOf(middle))
	}
	require.Equal(t, int64(math.MaxInt64), partEnd(ringParts-1))
	_, ok := tokens{6, 7}.middle()
	require.False(t, ok)
}

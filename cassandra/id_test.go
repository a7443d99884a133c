package cassandra

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

// someID draws time-based UUIDs that are often close to each other: the same
// tick, neighbouring ones, other nodes and clock sequences.
func someID(t *rapid.T) MessageID {
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC).UnixMicro()
	microseconds := rapid.OneOf(
		rapid.Int64Range(now-2, now+2),
		rapid.Int64Range(now-1<<32, now+1<<32), // the low, the middle and
		rapid.Int64Range(0, 1<<53),             // the high part of the time
	).Draw(t, "microseconds")
	id := borderID(microseconds, rapid.Uint64Range(0, 9).Draw(t, "tick"), 0)
	lower := rapid.OneOf(
		rapid.SampledFrom([]uint64{0x8000000000000000, 0x80ff7f00017f80ff, 0xbfffffffffffffff, 0x807f7f7f7f7f7f7f, 0x8080808080808080}),
		rapid.Uint64Range(0x8000000000000000, 0xbfffffffffffffff), // the variant of RFC 9562
	).Draw(t, "sequence and node")
	binary.BigEndian.PutUint64(id[8:], lower)
	return id
}

// IDs are compared as a node orders timeuuids, and a slice has the IDs that a
// node returns for it.
func TestIDsOrderAsCassandraOrdersThem(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	session := cluster.Session(t, "")
	table := cluster.Keyspace(t) + ".ids"
	require.NoError(t, session.Query("CREATE TABLE "+table+" (k uuid, id timeuuid, PRIMARY KEY (k, id))").Exec())
	read := func(t *rapid.T, statement string, values ...any) (found []MessageID) {
		rows := session.Query(statement, values...).Iter()
		for id := (gocql.UUID{}); rows.Scan(&id); {
			found = append(found, MessageID(id))
		}
		require.NoError(t, rows.Close())
		return found
	}
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Custom(someID), 2, 40).Draw(t, "ids")
		partition := gocql.UUIDFromTime(time.Now())
		batch := session.NewBatch(gocql.UnloggedBatch)
		for _, id := range ids {
			batch.Query("INSERT INTO "+table+" (k, id) VALUES (?, ?)", partition, gocql.UUID(id))
		}
		require.NoError(t, session.ExecuteBatch(batch))

		slices.SortFunc(ids, MessageID.Compare)
		ids = slices.Compact(ids)
		require.Equal(t, ids, read(t, "SELECT id FROM "+table+" WHERE k = ?", partition))

		from := rapid.SampledFrom(ids).Draw(t, "from").Timestamp()
		to := from + rapid.Int64Range(0, 3).Draw(t, "width")
		var inside []MessageID
		for _, id := range ids {
			if ts := id.Timestamp(); from <= ts && ts <= to {
				inside = append(inside, id)
			}
		}
		first, last := Slice{From: from, To: to}.Borders()
		require.Equal(t, inside, read(t, "SELECT id FROM "+table+" WHERE k = ? AND id >= ? AND id <= ?",
			partition, gocql.UUID(first), gocql.UUID(last)))
	})
}

// The time in an ID is that of its minting, and its text can be parsed.
func TestIDsKeepTheirTime(t *testing.T) {
	minter, err := newMinter()
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 1<<53).Draw(t, "microseconds"))
		id, err := minter.mint(at)
		require.NoError(t, err)
		require.WithinDuration(t, at, id.Time(), time.Second) // later if another ID has the tick
		again, err := ParseMessageID(id.String())
		require.NoError(t, err)
		require.Equal(t, id, again)
		require.Equal(t, byte(1), id[10]&1, "the multicast bit: no MAC address")
		require.Equal(t, gocql.UUID(id).Time().UnixMicro(), id.Timestamp())
	})
}

// P5: no ID is minted twice, whatever the clock does, nor by two processes.
func TestP5IDsAreUniqueWhateverTheClockDoes(t *testing.T) {
	start := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	for name, clock := range map[string]func(n int) time.Time{
		"stands still":   func(int) time.Time { return start },
		"goes back":      func(n int) time.Time { return start.Add(-time.Duration(n) * time.Microsecond) },
		"jumps to":       func(n int) time.Time { return start.Add(time.Duration(n%3)*time.Hour + time.Duration(n)*100) },
		"repeats a tick": func(n int) time.Time { return start.Add(time.Duration(n/50_000) * 100) },
	} {
		minter, err := newMinter()
		require.NoError(t, err)
		seen := make(map[MessageID]bool)
		for n := range 100_000 {
			id, err := minter.mint(clock(n))
			require.NoError(t, err)
			require.False(t, seen[id], "the clock %s: ID %d came twice", name, n)
			seen[id] = true
		}
	}

	// Two processes on one machine, at the same moment.
	one, err := newMinter()
	require.NoError(t, err)
	other, err := newMinter()
	require.NoError(t, err)
	a, err := one.mint(start)
	require.NoError(t, err)
	b, err := other.mint(start)
	require.NoError(t, err)
	require.NotEqual(t, a[10:], b[10:])
}

// Later deliveries of a process are later in the listing, also within one tick,
// and if the clock was set back a little.
func TestIDsAscendWithinAProcess(t *testing.T) {
	minter, err := newMinter()
	require.NoError(t, err)
	now := time.Now()
	var last MessageID
	for n := range 50_000 {
		id, err := minter.mint(now.Add(-time.Duration(n%7) * time.Millisecond))
		require.NoError(t, err)
		require.Positive(t, id.Compare(last), "ID %d", n)
		last = id
	}
}

func TestParseMessageIDTakesOnlyIDs(t *testing.T) {
	for _, text := range []string{
		"", "x", "1", "\x00", "{7d444840-9dc0-11d1-b245-5ffdce74fad2}", "urn:uuid:7d444840-9dc0-11d1-b245-5ffdce74fad2",
		"7d4448409dc011d1b2455ffdce74fad2",     // no hyphens
		"7d444840-9dc0-41d1-b245-5ffdce74fad2", // version 4
		"7d444840-9dc0-71d1-b245-5ffdce74fad2", // version 7
		"7d444840-9dc0-11d1-b245-5ffdce74fad",  // too short
		"7d444840-9dc0-11d1-b245-5ffdce74fad2 ",
		"7d444840-9dc0-11d1-b245-5ffdce74fadg",
		"00000000-0000-0000-0000-000000000000",
		"7d444840-9dc0-11d1-b245-5ffdce74fad2'; DROP TABLE message; --",
	} {
		_, err := ParseMessageID(text)
		require.ErrorContains(t, err, "is not a message ID", "%q", text)
	}
}

// The ID of a mailbox is always the same, and another user or generation has
// another one.
func TestMailboxIDs(t *testing.T) {
	namespace := [16]byte{1}
	seen := make(map[MailboxID]string)
	for _, user := range []string{"bob", "bob1", "1:bob", "0:bob", "", "é"} {
		for _, generation := range []uint32{0, 1, 10} {
			id := mailboxIDOf(namespace, user, generation)
			require.Equal(t, id, mailboxIDOf(namespace, user, generation))
			require.Empty(t, seen[id], "%s %d", user, generation)
			seen[id] = user + "!"
		}
	}
}

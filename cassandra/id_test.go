package cassandra

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

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
	var minter minter
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 1<<53).Draw(t, "microseconds"))
		wide := rapid.SampledFrom([]width{aMonth, aDay, anHour}).Draw(t, "width")
		id := minter.mint(at, wide)
		require.Equal(t, wide, widthOf(id.Bucket()))
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
		var minter minter
		seen := make(map[MessageID]bool)
		for n := range 100_000 {
			id := minter.mint(clock(n), aMonth)
			require.False(t, seen[id], "the clock %s: ID %d came twice", name, n)
			seen[id] = true
		}
	}

	// Two processes on one machine, at the same moment.
	var one, other minter
	a, b := one.mint(start, aMonth), other.mint(start, aMonth)
	require.Equal(t, a.ticks(), b.ticks())
	require.NotEqual(t, a[10:], b[10:])
}

// P1: a virtual machine is cloned, with a process in it. The two processes have
// the same memory and the same clock, and mint other IDs: one that is minted
// twice would overwrite a message.
func TestP1ClonedProcessMintsOtherIDs(t *testing.T) {
	start := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	var original minter
	for n := range 10 { // it has been at work
		original.mint(start.Add(time.Duration(n)*time.Second), aMonth)
	}
	clone := cloned(&original)
	seen := make(map[MessageID]bool)
	for n := range 10_000 {
		now := start.Add(time.Minute + time.Duration(n/3)*time.Microsecond)
		for _, id := range []MessageID{original.mint(now, aMonth), clone.mint(now, aMonth)} {
			require.False(t, seen[id], "ID %d came twice", n)
			seen[id] = true
		}
	}
}

// cloned copies a value and what it points to, as it is in memory.
func cloned[T any](original *T) *T {
	size := func(t reflect.Type, p unsafe.Pointer) []byte { return unsafe.Slice((*byte)(p), t.Size()) }
	t := reflect.TypeFor[T]()
	copied := new(T)
	copy(size(t, unsafe.Pointer(copied)), size(t, unsafe.Pointer(original)))
	for i := range t.NumField() {
		pointer := (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(copied), t.Field(i).Offset))
		if of := t.Field(i).Type; of.Kind() == reflect.Pointer && *pointer != nil {
			target := reflect.New(of.Elem()).UnsafePointer()
			copy(size(of.Elem(), target), size(of.Elem(), *pointer))
			*pointer = target
		}
	}
	return copied
}

// P1: 59 bits are drawn for each ID, and not one of them for the next one too.
// The five others of the last 8 octets are the variant, the width of the bucket
// and the multicast bit.
func TestP1BitsAreDrawnForEachID(t *testing.T) {
	const ids = 4000
	for _, wide := range []width{aMonth, aDay, anHour} {
		var minter minter
		var ones, flips [64]int
		var last uint64
		for range ids {
			id := minter.mint(time.Now(), wide)
			bits := binary.BigEndian.Uint64(id[8:])
			for i := range ones {
				ones[i] += int(bits >> i & 1)
				flips[i] += int((bits ^ last) >> i & 1)
			}
			last = bits
		}
		fixed := map[int]int{63: 1, 62: 0, 49: int(wide >> 1), 48: int(wide & 1), 40: 1}
		for i := range ones {
			if bit, ok := fixed[i]; ok {
				require.Equal(t, ids*bit, ones[i], "bit %d", i)
				continue
			}
			const most = 8 * 32 // 8 standard deviations
			require.InDelta(t, ids/2, ones[i], most, "bit %d", i)
			require.InDelta(t, ids/2, flips[i], most, "bit %d", i)
		}
	}
}

// Later deliveries of a process are later in the listing, also within one tick,
// and if the clock was set back a little.
func TestIDsAscendWithinAProcess(t *testing.T) {
	var minter minter
	now := time.Now()
	var last MessageID
	for n := range 50_000 {
		id := minter.mint(now.Add(-time.Duration(n%7)*time.Millisecond), width(n%widths))
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

package cassandra_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// newKeyspace makes a keyspace whose buckets have a width.
func newKeyspace(t testing.TB, bucket time.Duration) cassandra.Config {
	t.Helper()
	config := storetest.MigrateWith(t, cassandratest.Start(t, cassandratest.Topology{}), func(c *cassandra.Config) { c.Bucket = bucket })
	return config
}

// A delivery by a host whose clock is ahead or behind is listed by everybody, at
// once, in its place: at the border of buckets of the usual width, and across
// many buckets of small ones.
func TestP1DeliveryByAnyClockIsListedByEverybody(t *testing.T) {
	now := time.Now()
	const month = 30 * 24 * time.Hour
	for _, test := range []struct {
		width   time.Duration
		now     time.Time       // of those who list
		offsets []time.Duration // of those who deliver, ascending
	}{
		{month, now, []time.Duration{-3 * month, -time.Hour, 0, time.Hour, month, 2 * month, 3 * month}},
		{month, now.Truncate(month).Add(month - time.Second), []time.Duration{-time.Second, 0, 2 * time.Second, time.Hour}}, // the border
		{time.Minute, now, []time.Duration{-3 * time.Hour, -2 * time.Minute, -time.Minute, 0, time.Minute, 2 * time.Minute,
			5 * time.Minute, 30 * time.Minute, 59 * time.Minute, time.Hour, 61 * time.Minute, 2 * time.Hour}},
		{time.Second, now, []time.Duration{-time.Hour, -2 * time.Second, -time.Second, 0, time.Second, 2 * time.Second, 3 * time.Second, time.Minute, time.Hour, 2 * time.Hour}},
	} {
		t.Run(fmt.Sprintf("%s at %s", test.width, test.now.Sub(now).Round(time.Second)), func(t *testing.T) {
			t.Parallel()
			config := newKeyspace(t, test.width)
			var want []string
			for _, offset := range test.offsets {
				ahead := config
				ahead.Now = func() time.Time { return test.now.Add(offset) }
				want = append(want, storetest.Deliver(t, storetest.NewStore(t, ahead), "bob", storetest.Body(1)).ID)
			}
			for _, offset := range []time.Duration{0, -time.Hour, time.Hour, -2 * test.width, 2 * test.width} {
				reader := config
				reader.Now = func() time.Time { return test.now.Add(offset) }
				require.Equal(t, want, storetest.ListIDs(t, storetest.NewStore(t, reader), "bob"), "listed by a clock that is off by %s", offset)
			}
		})
	}
}

// Buckets of a second: many of them are listed in order, and each removal finds
// its own.
func TestManyBucketsAreListedInOrder(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, time.Second)
	config.Horizon = time.Second // a survey looks at every bucket up to it
	clock := newClock(time.Now().Add(-time.Minute))
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	var want []string
	for i := range 60 {
		clock.set(clock.Now().Add(time.Duration(i%2) * time.Second))
		want = append(want, storetest.Deliver(t, store, "bob", storetest.Body(i)).ID)
	}
	mb := storetest.Open(t, store, "bob")
	listed, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, want, storetest.IDs(listed))
	var odd, even []string
	for i, id := range want {
		if i%2 == 0 {
			even = append(even, id)
		} else {
			odd = append(odd, id)
		}
	}
	require.NoError(t, mb.Delete(t.Context(), odd))
	clock.set(time.Now())
	require.Equal(t, even, storetest.ListIDs(t, store, "bob"))
	report, err := store.Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Equal(t, len(even), report.Messages)
}

// UID and MODSEQ that are always the same do no harm.
func TestConstantUIDsDoNoHarm(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	config.UID = func() uint32 { return 7 }
	config.ModSeq = func() int64 { return 7 }
	store := storetest.NewStore(t, config)
	var want []string
	for i := range 10 {
		want = append(want, storetest.Deliver(t, store, "bob", storetest.Body(i)).ID)
	}
	mb := storetest.Open(t, store, "bob")
	listed, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, want, storetest.IDs(listed))
	for i, m := range listed {
		text, err := storetest.Read(t.Context(), mb, m.ID)
		require.NoError(t, err)
		require.Equal(t, storetest.Body(i), text)
	}
	require.NoError(t, mb.Delete(t.Context(), want[:5]))
	require.Equal(t, want[5:], storetest.ListIDs(t, store, "bob"))
}

// A delivery that takes longer than half of gc_grace is refused, and nothing of
// it stays.
func TestDeliveryOlderThanHalfOfGCGraceIsRefused(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	clock := newClock(time.Now())
	config.Now = clock.Now
	store := storetest.NewStore(t, config)
	slow := &slowBody{Reader: strings.NewReader(strings.Repeat("a line of a large message\r\n", 10_000)),
		at: 150_000, do: func() { clock.set(clock.Now().Add(6 * 24 * time.Hour)) }}
	results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}}}, slow)
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, mailbox.ErrTemporary)
	require.ErrorIs(t, results[0].Err, cassandra.ErrTooOld)
	requireEmpty(t, cluster, config, store, "bob")
}

// slowBody does something in the middle.
type slowBody struct {
	io.Reader
	at   int
	do   func()
	read int
}

func (s *slowBody) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p[:min(len(p), 1000)])
	if s.read += n; s.do != nil && s.read >= s.at {
		s.do()
		s.do = nil
	}
	return n, err
}

// requireEmpty looks whether anything of a mailbox is listed, or left in the
// tables but the row of its bucket.
func requireEmpty(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, store *cassandra.Store, user string) {
	t.Helper()
	require.Empty(t, storetest.List(t, store, user))
	report, err := store.Verify(t.Context(), user)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Zero(t, report.Messages)
	session := cluster.Session(t, "")
	for _, table := range []string{"message", "mailbox_message", "projection"} {
		rows := session.Query("SELECT * FROM " + config.Keyspace + "." + table).Iter()
		found, err := rows.SliceMap()
		require.NoError(t, err)
		require.Empty(t, found, table)
	}
}

// A fence above the ID: the delivery is refused, nothing of it stays, and with
// a fence below it goes through.
func TestFenceRefusesDelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	id, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	fence := func(until time.Time) {
		at := until.UnixMicro()
		require.NoError(t, cluster.Session(t, "").Query("INSERT INTO "+config.Keyspace+
			".ledger (mailbox_id, kind, start, until) VALUES (?, 'fence', 0, ?) USING TIMESTAMP ?", gocql.UUID(id), at, at).Exec())
	}
	fence(time.Now().Add(-time.Hour))
	kept := storetest.Deliver(t, store, "bob", storetest.Body(1))
	fence(time.Now().Add(time.Hour))
	for _, text := range []string{storetest.Body(2), strings.Repeat(storetest.Body(2), 10_000)} {
		_, err = storetest.TryDeliver(t.Context(), store, "bob", text)
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.ErrorContains(t, err, "closed")
	}
	storetest.Deliver(t, store, "eve", storetest.Body(3)) // another mailbox
	require.Equal(t, []string{kept.ID}, storetest.ListIDs(t, store, "bob"))
	fence(time.Now().Add(-time.Minute)) // older: the largest wins, in any order
	_, err = storetest.TryDeliver(t.Context(), store, "bob", storetest.Body(4))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.NoError(t, storetest.Open(t, store, "bob").Delete(t.Context(), []string{kept.ID}))
	eve := storetest.List(t, store, "eve")
	require.NoError(t, storetest.Open(t, store, "eve").Delete(t.Context(), storetest.IDs(eve)))
	storetest.CloseStore(t, store)
	requireEmpty(t, cluster, config, storetest.NewStore(t, config), "bob")
}

// Another user's ID: it cannot be opened, deleting it is a success that does
// nothing, and its owner still has it.
func TestOtherUsersIDs(t *testing.T) {
	t.Parallel()
	store := storetest.NewStore(t, newKeyspace(t, 0))
	for _, text := range []string{storetest.Body(1), strings.Repeat(storetest.Body(2), 10_000)} {
		theirs := storetest.Deliver(t, store, "eve", text)
		mine := storetest.Deliver(t, store, "bob", storetest.Body(3))
		mb := storetest.Open(t, store, "bob")
		for _, listed := range []bool{false, true} {
			if listed {
				_, err := storetest.TryList(t.Context(), mb)
				require.NoError(t, err)
			}
			_, err := mb.Open(t.Context(), theirs.ID, mailbox.OpenOptions{})
			require.ErrorIs(t, err, mailbox.ErrNotFound)
			_, err = mb.Open(t.Context(), theirs.ID, mailbox.OpenOptions{Top: true})
			require.ErrorIs(t, err, mailbox.ErrNotFound)
			require.NoError(t, mb.Delete(t.Context(), []string{theirs.ID}))
		}
		require.NoError(t, mb.Delete(t.Context(), []string{theirs.ID, mine.ID, theirs.ID}))
		require.NotContains(t, storetest.ListIDs(t, store, "bob"), mine.ID)
		eve := storetest.Open(t, store, "eve")
		got, err := storetest.Read(t.Context(), eve, theirs.ID)
		require.NoError(t, err)
		require.Equal(t, text, got)
		require.Contains(t, storetest.ListIDs(t, store, "eve"), theirs.ID)
	}
}

// TOP of a large message reads one chunk, and goes on where more is asked for.
func TestTopOfALargeMessageReadsOneChunk(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t, 0)
	var seen storetest.Recorder
	config.Observer = seen.Observe
	store := storetest.NewStore(t, config)
	text := "Subject: large\r\n\r\n" + strings.Repeat("0123456789 0123456789\r\n", 50_000)
	m := storetest.Deliver(t, store, "bob", text)
	mb := storetest.Open(t, store, "bob")
	_, err := storetest.TryList(t.Context(), mb)
	require.NoError(t, err)
	seen.Take()
	top, err := mb.Open(t.Context(), m.ID, mailbox.OpenOptions{Top: true, Lines: 1})
	require.NoError(t, err)
	head := make([]byte, 1000)
	_, err = io.ReadFull(top, head)
	require.NoError(t, err)
	require.NoError(t, top.Close())
	reads := seen.Take()
	require.Len(t, reads, 1)
	require.Equal(t, 1, reads[0].Rows)

	top, err = mb.Open(t.Context(), m.ID, mailbox.OpenOptions{Top: true, Lines: 40_000})
	require.NoError(t, err)
	all, err := io.ReadAll(top)
	require.NoError(t, err)
	require.NoError(t, top.Close())
	require.Equal(t, text, string(all))
}

// Sizes around the borders of chunks, each with what its row says of it.
func TestP2ChunkBorders(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 1 << 16
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	const head = "Subject: border\r\n\r\n"
	for _, size := range []int{len(head), 1<<16 - 1, 1 << 16, 1<<16 + 1, 2<<16 - 1, 2 << 16, 2<<16 + 1, 3 << 16} {
		text := head + strings.Repeat("x", max(0, size-len(head)-2))
		if len(text) < size {
			text += "\r\n"
		}
		require.Len(t, text, size)
		// Read in halves, octets by octet, and with the end beside the data.
		for _, source := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}}}, source)
			require.NoError(t, err)
			require.NoError(t, results[0].Err)
			require.Equal(t, int64(size), results[0].Size)
			got, err := storetest.Read(t.Context(), storetest.Open(t, store, "bob"), results[0].ID)
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256([]byte(text)), sha256.Sum256([]byte(got)), "%d octets", size)
			requireRow(t, raw, config.Keyspace, results[0].ID, text, len(head))
		}
	}
}

// requireRow compares the row of a message with its octets.
func requireRow(t *testing.T, raw *gocql.Session, keyspace, id, text string, head int) {
	t.Helper()
	uuid, err := gocql.ParseUUID(id)
	require.NoError(t, err)
	var size int64
	var chunks, headSize int
	var sum []byte
	require.NoError(t, raw.Query("SELECT size, chunks, head, sha256 FROM "+keyspace+".message WHERE message_id = ? LIMIT 1", uuid).
		Scan(&size, &chunks, &headSize, &sum))
	require.Equal(t, int64(len(text)), size)
	require.Equal(t, head, headSize)
	want := sha256.Sum256([]byte(text))
	require.Equal(t, want[:], sum)
	var rows int
	require.NoError(t, raw.Query("SELECT count(*) FROM "+keyspace+".message WHERE message_id = ?", uuid).Scan(&rows))
	require.Equal(t, chunks, rows)
}

// The column head, wherever the blank line is: at the very start, across the
// border of two chunks, nowhere.
func TestHeadColumn(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	long := strings.Repeat("X-Filler: 0123456789\r\n", 1<<16/22)
	for border := -5; border <= 5; border++ {
		pad := 1<<16 + border - len(long) - len("X: \r\n\r\n")
		header := long + "X: " + strings.Repeat("y", pad) + "\r\n\r\n"
		text := header + "body\r\n\r\nbody\r\n"
		m := storetest.Deliver(t, store, "bob", text)
		requireRow(t, raw, config.Keyspace, m.ID, text, len(header))
	}
	for text, head := range map[string]int{
		"\r\nbody\r\n":                            2,
		"Subject: x\r\n\r\n":                      14,
		"Subject: no blank line\r\n":              24,
		"\r\n\r\n":                                2,
		"a\r\n\r\nb\r\n\r\n":                      5,
		long + "a: b\r\n":                         len(long) + 6,
		long + "X: " + strings.Repeat("z", 1<<17): len(long) + 3 + 1<<17 + 2,
	} {
		m := storetest.Deliver(t, store, "bob", text)
		if !strings.HasSuffix(text, "\r\n") {
			text += "\r\n"
		}
		requireRow(t, raw, config.Keyspace, m.ID, text, head)
	}
	empty := storetest.Deliver(t, store, "bob", "")
	require.Zero(t, empty.Size)
	got, err := storetest.Read(t.Context(), storetest.Open(t, store, "bob"), empty.ID)
	require.NoError(t, err)
	require.Empty(t, got)
}

// Fifty recipients at once, each with a header of another length, of a small
// message and of a large one, one of them impossible: each has its own octets.
func TestP2FiftyRecipients(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	raw := cluster.Session(t, "")
	for _, body := range []string{"Subject: all\r\n\r\nsmall\r\n", "Subject: all\r\n\r\n" + strings.Repeat("large and larger\r\n", 20_000)} {
		var delivery mailbox.Delivery
		for i := range 50 {
			r := mailbox.Recipient{User: fmt.Sprintf("User%d", i)}
			if i > 0 {
				r.Header = "Delivered-To: " + strings.Repeat("u", i*i) + "\r\n"
			}
			delivery.Recipients = append(delivery.Recipients, r)
		}
		delivery.Recipients[17].User = "" // nobody
		results, err := store.Append(t.Context(), delivery, strings.NewReader(body))
		require.NoError(t, err)
		require.Len(t, results, 50)
		for i, result := range results {
			if i == 17 {
				require.ErrorIs(t, result.Err, mailbox.ErrNoSuchUser)
				continue
			}
			require.NoError(t, result.Err)
			text := delivery.Recipients[i].Header + body
			require.Equal(t, int64(len(text)), result.Size)
			if i%7 == 0 {
				got, err := storetest.Read(t.Context(), storetest.Open(t, store, fmt.Sprintf("user%d", i)), result.ID)
				require.NoError(t, err)
				require.True(t, text == got, "recipient %d", i)
				requireRow(t, raw, config.Keyspace, result.ID, text, strings.Index(text, "\r\n\r\n")+4)
			}
		}
	}
}

// The limits of Config: what is at the limit is taken, what is above is refused
// for good, and nothing of it stays.
func TestLimits(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.MaxMessageSize = 1000
	config.MaxRecipients = 2
	store := storetest.NewStore(t, config)
	message := func(size int) string { return "\r\n" + strings.Repeat("x", size-4) + "\r\n" }

	for _, size := range []int{1001, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1 << 17, 1 << 20} {
		_, err := storetest.TryDeliver(t.Context(), store, "bob", message(size))
		require.ErrorIs(t, err, mailbox.ErrTooLarge, "%d octets", size)
		require.NotErrorIs(t, err, mailbox.ErrTemporary)
	}
	// The canonical form counts, and the header does.
	_, err := storetest.TryDeliver(t.Context(), store, "bob", strings.Repeat("\n", 501))
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: "bob", Header: "X: y\r\n"}, {User: "eve"},
	}}, strings.NewReader(message(1000)))
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, mailbox.ErrTooLarge)
	require.NoError(t, results[1].Err)
	require.NoError(t, storetest.Open(t, store, "eve").Delete(t.Context(), []string{results[1].ID}))

	_, err = store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "a"}, {User: "b"}, {User: "c"}}}, strings.NewReader(storetest.Body(1)))
	require.ErrorContains(t, err, "3 recipients, 2 are the most")
	storetest.CloseStore(t, store)
	requireEmpty(t, cluster, config, storetest.NewStore(t, config), "bob")

	none := config
	none.MaxMessageSize, none.MaxRecipients, none.Window, none.ChunkSize = -1, -1, 1, 1
	storetest.Deliver(t, storetest.NewStore(t, none), "bob", message(1<<16+10))
	most := config
	most.ChunkSize = 256<<10 + 1
	_, err = cassandra.Connect(t.Context(), most)
	require.ErrorContains(t, err, "Config.ChunkSize is 262145 octets: want 1 to 262144")
}

// A body that breaks off leaves nothing, wherever it does.
func TestP4BrokenBodyLeavesNothing(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	broken := errors.New("the line is dead")
	for _, size := range []int{0, 100, 1 << 16, 1<<16 + 1, 1 << 19} {
		for _, cause := range []error{broken, io.ErrUnexpectedEOF} {
			text := bytes.Repeat([]byte("x"), size)
			results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}, {User: "eve"}}},
				io.MultiReader(bytes.NewReader(text), iotest.ErrReader(cause)))
			require.ErrorIs(t, err, cause)
			require.Nil(t, results)
		}
	}
	storetest.CloseStore(t, store)
	after := storetest.NewStore(t, config)
	requireEmpty(t, cluster, config, after, "bob")
	requireEmpty(t, cluster, config, after, "eve")
}

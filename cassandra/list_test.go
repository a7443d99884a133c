package cassandra_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1: a delivery of a host whose clock is fast or slow is listed by every host,
// at once and in its place, also at the border of buckets.
func TestP1DeliveryByAnyClockIsListedByEverybody(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		now     time.Time       // of the hosts that list
		offsets []time.Duration // of the hosts that deliver, ascending
	}{
		"now":           {now, []time.Duration{-3 * month, -time.Hour, 0, time.Hour, month, 2 * month, 3 * month}},
		"at the border": {time.UnixMicro(cassandra.BucketSlice(idOf(now, 0).Bucket()).To).Add(-time.Second), []time.Duration{-time.Second, 0, 2 * time.Second, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newKeyspace(t)
			var want []string
			for _, offset := range test.offsets {
				ahead := config
				ahead.Now = func() time.Time { return test.now.Add(offset) }
				ahead.Horizon = aLife
				want = append(want, storetest.Deliver(t, storetest.NewStore(t, ahead), "bob", storetest.Body(1)).ID)
			}
			for _, offset := range []time.Duration{0, -time.Hour, time.Hour, -2 * month, 2 * month} {
				reader := config
				reader.Now = func() time.Time { return test.now.Add(offset) }
				require.Equal(t, want, storetest.ListIDs(t, storetest.NewStore(t, reader), "bob"), "listed by a clock that is off by %s", offset)
			}
		})
	}
}

// P1: many buckets of all widths, which overlap in time, are listed in the
// order of the messages, and removals find theirs.
func TestP1ManyBucketsOfAllWidthsAreListedInOrder(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	plant := storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}
	begin := time.Now().Add(-70 * 24 * time.Hour)
	var want []string
	buckets := make(map[int64]bool)
	for i := range 90 {
		id := idOf(begin.Add(time.Duration(i)*17*time.Hour+time.Duration(i%2)*time.Second), byte(i%3))
		plant.Write(tables, store, "bob", id)
		want = append(want, id.String())
		buckets[id.Bucket()] = true
	}
	require.Greater(t, len(buckets), 60)
	mb := storetest.Open(t, store, "bob")
	listed, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	require.Equal(t, want, storetest.IDs(listed))
	for n := range 3 { // a listing may be left early
		var some []string
		for message, err := range storetest.Open(t, store, "bob").Messages(t.Context()) {
			if len(some) == 30*n {
				break
			}
			require.NoError(t, err)
			some = append(some, message.ID)
		}
		require.Len(t, some, 30*n)
		require.Equal(t, strings.Join(want[:30*n], " "), strings.Join(some, " "))
	}
	var odd, even []string
	for i, id := range want {
		if i%2 == 0 {
			even = append(even, id)
		} else {
			odd = append(odd, id)
		}
	}
	require.NoError(t, mb.Delete(t.Context(), odd))
	require.Equal(t, even, storetest.ListIDs(t, store, "bob"))
	for _, id := range even {
		text, err := storetest.Read(t.Context(), storetest.Open(t, store, "bob"), id)
		require.NoError(t, err)
		require.Equal(t, plant.Body(), text)
	}
	storetest.CloseStore(t, store)
	report, err := storetest.NewStore(t, config).Verify(t.Context(), "bob")
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.Equal(t, len(even), report.Messages)
}

// P1: messages of the same microsecond, in buckets of other widths, are listed
// in one order, that of their IDs.
func TestP1MessagesOfOneMomentInBucketsOfAllWidths(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	store := storetest.NewStore(t, config)
	tables := storetest.TablesOf(t, cluster, config)
	at := time.Now().Add(-3 * time.Hour)
	var ids []cassandra.MessageID
	for i := range 30 {
		id := idOf(at, byte(i%3))
		id[15] = byte(i)
		storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}.Write(tables, store, "bob", id)
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cassandra.MessageID.Compare)
	var want []string
	for _, id := range ids {
		want = append(want, fmt.Sprint(id))
	}
	require.Equal(t, want, storetest.ListIDs(t, store, "bob"))
}

package cassandra_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1: a delivery of a host whose clock is fast or slow is listed by every host,
// at once and in its place: at the border of buckets of the usual width, and
// over many narrow buckets.
func TestP1DeliveryByAnyClockIsListedByEverybody(t *testing.T) {
	now := time.Now()
	const month = 30 * 24 * time.Hour
	for _, test := range []struct {
		width   time.Duration
		now     time.Time       // of the hosts that list
		offsets []time.Duration // of the hosts that deliver, ascending
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

// With buckets of a second, many buckets are listed in order, and removals find
// theirs.
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
	listed, err := mailbox.List(t.Context(), mb)
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

package cassandra

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A seal is stored and read as it is. What is no seal, or one of a form that
// this program does not know, is not used, which is always right.
func TestSealsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := &seal{until: rapid.Int64().Draw(t, "until"), opened: rapid.Int64().Draw(t, "opened")}
		s.ids = rapid.SliceOfN(rapid.Custom(someID), 0, 50).Draw(t, "ids")
		slices.SortFunc(s.ids, MessageID.Compare)
		blob := s.blob()
		again := parseSeal(blob)
		require.Equal(t, s.until, again.until)
		require.Equal(t, s.opened, again.opened)
		require.Len(t, again.ids, len(s.ids))
		for _, id := range s.ids {
			require.True(t, again.has(id))
		}
		require.Nil(t, parseSeal(blob[:len(blob)-1]))
		blob[0]++
		require.Nil(t, parseSeal(blob))
	})
	require.Nil(t, parseSeal(nil))
	require.Nil(t, parseSeal([]byte{}))
	require.Nil(t, parseSeal(make([]byte, 17)))
	require.Empty(t, parseSeal((&seal{}).blob()).ids)
}

// P1, P7: what is read of a bucket has every ID that may be listed, and none
// that the seal leaves out; unless the bucket is so old that its tombstones are
// gone: then it is read as a whole, and by the seal if that fails.
func TestP1SlicesHaveWhatMayBeListed(t *testing.T) {
	const month = int64(700) << 2
	whole := BucketSlice(month)
	reads := func(list []Slice, id MessageID) bool {
		return slices.ContainsFunc(list, func(s Slice) bool {
			if s.IDs != nil {
				return slices.Contains(s.IDs, id)
			}
			return s.From <= id.Timestamp() && id.Timestamp() <= s.To
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		ids := make([]MessageID, rapid.IntRange(0, 250).Draw(t, "messages"))
		for i := range ids {
			ids[i] = firstIDAt(rapid.Int64Range(whole.From, whole.To).Draw(t, "time"))
		}
		slices.SortFunc(ids, MessageID.Compare)
		row := ledgerRow{bucket: month, seal: &seal{until: rapid.Int64Range(whole.From-1, whole.To+1).Draw(t, "until")}}
		for i, id := range ids {
			if id.Timestamp() <= row.seal.until && i%2 == 0 {
				row.seal.ids = append(row.seal.ids, id)
			}
		}
		list := row.slices(time.UnixMicro(whole.To), math.MinInt64)
		old := row.slices(time.UnixMicro(whole.To).Add(tombstonesAreGone+time.Second), math.MinInt64)
		require.Len(t, old, 1)
		require.Nil(t, old[0].IDs)
		rescue, ok := old[0].Parts()
		require.True(t, ok)
		for _, id := range ids {
			l := ledger{buckets: []ledgerRow{row}}
			require.Equal(t, !l.hides(id), reads(list, id), "%s", id)
			require.Equal(t, reads(list, id), reads(rescue, id))
			require.True(t, reads(old, id))
		}
		since := rapid.Int64Range(whole.From-1, whole.To+1).Draw(t, "since") // of a retention
		young := row.slices(time.UnixMicro(whole.To), since)
		youngOfOld := row.slices(time.UnixMicro(whole.To).Add(tombstonesAreGone+time.Second), since)
		for _, id := range ids {
			listed := reads(list, id) && id.Timestamp() >= since
			require.Equal(t, listed, reads(young, id))
			require.Equal(t, id.Timestamp() >= since, reads(youngOfOld, id))
			for _, s := range youngOfOld {
				if rescue, ok := s.Parts(); ok {
					require.Equal(t, listed, reads(rescue, id))
				}
			}
		}
		for i, s := range list {
			require.LessOrEqual(t, len(s.IDs), idsAtOnce)
			require.LessOrEqual(t, s.From, s.To)
			require.True(t, i == 0 || list[i-1].To <= s.From)
		}
		row.opened = 1 // since the seal was made
		require.Equal(t, []Slice{whole}, row.slices(time.UnixMicro(whole.To), math.MinInt64))
	})
}

// A slice with too many tombstones is cut into parts that have the same IDs,
// down to a millisecond.
func TestPartsOfASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Slice{Bucket: 4, From: rapid.Int64Range(0, 1<<50).Draw(t, "from")}
		s.To = s.From + rapid.Int64Range(1000, 1<<42).Draw(t, "long")
		parts, ok := s.Parts()
		require.True(t, ok)
		require.Len(t, parts, cuts)
		require.Equal(t, s.From, parts[0].From)
		require.Equal(t, s.To, parts[cuts-1].To)
		for i, p := range parts {
			require.Equal(t, s.Bucket, p.Bucket)
			require.LessOrEqual(t, p.From, p.To)
			require.True(t, i == 0 || parts[i-1].To+1 == p.From)
		}
	})
	_, ok := Slice{From: 1, To: 1000}.Parts()
	require.False(t, ok)
	_, ok = Slice{From: 1, To: 1 << 40, IDs: []MessageID{firstIDAt(1)}}.Parts()
	require.False(t, ok)
}

// P7: removals ask for a look once in SealAfter messages, on average, however
// many of them are removed at a time.
func TestP7ALookOnceInSoManyRemovals(t *testing.T) {
	var m minter
	for _, atOnce := range []int{1, 20, 400} {
		const messages, after = 2_000_000, 500
		looks := 0
		for range messages / atOnce {
			ids := make([]MessageID, atOnce)
			ids[0] = m.mint(time.Now(), aMonth) // the others only have to be there
			if weight(ids) >= after {
				looks++
			}
		}
		require.InDelta(t, messages/after, looks, 6*math.Sqrt(messages/after), "%d at a time", atOnce)
	}
	require.Equal(t, weight([]MessageID{{8: 1}, {8: 2}}), weight([]MessageID{{8: 2}, {8: 1}}))
}

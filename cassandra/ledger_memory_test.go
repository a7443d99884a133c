package cassandra

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// P8: the ledgers that a process remembers are bounded by their size, not by
// their number: a mailbox with short buckets has thousands of rows.
func TestP8RememberedRowsAreBounded(t *testing.T) {
	const mailboxes, buckets = 500, 20_000
	var memory ledgerMemory
	mailbox := func(i int) (id MailboxID) {
		binary.BigEndian.PutUint64(id[:], uint64(i))
		return id
	}
	rowsOf := func() (n int) {
		for _, rows := range memory.rows {
			n += len(rows.buckets)
		}
		return n
	}
	large := ledgerRows{buckets: make([]int64, buckets)}
	most := 0
	for i := range mailboxes {
		memory.put(mailbox(i), large)
		_, ok := memory.get(mailbox(i))
		require.True(t, ok, "the last one is remembered")
		most = max(most, rowsOf())
	}
	require.LessOrEqual(t, most*8, rememberedLedgers)

	memory = ledgerMemory{} // one that comes again takes no more room
	small := ledgerRows{buckets: []int64{1}}
	memory.put(mailbox(0), small)
	for range 10_000 {
		memory.put(mailbox(1), ledgerRows{buckets: make([]int64, 1000)})
	}
	_, ok := memory.get(mailbox(0))
	require.True(t, ok)
	for i := range 40_000 { // of the usual kind there is room for many
		memory.put(mailbox(2+i), small)
	}
	_, ok = memory.get(mailbox(0))
	require.True(t, ok)
}

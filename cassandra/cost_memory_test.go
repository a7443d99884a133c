package cassandra_test

import (
	"bytes"
	"io"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// heapGrowth runs do and returns by how much the heap grew at most, with
// objects that are not collected yet. It collects often: usually the heap grows
// by as much again as other tests have left in it.
func heapGrowth(do func()) int64 {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	debug.FreeOSMemory()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	stop := make(chan struct{})
	var most uint64
	var group sync.WaitGroup
	group.Go(func() {
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for {
			metrics.Read(sample)
			most = max(most, sample[0].Value.Uint64())
			select {
			case <-stop:
				return
			case <-often.C:
			}
		}
	})
	do()
	close(stop)
	group.Wait()
	return int64(most) - int64(before)
}

// lines is a body of so many octets, or a few more, that is made while it is
// read.
type lines struct{ left int64 }

var line = []byte(strings.Repeat("0123456789", 7) + "\r\n")

func (l *lines) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(line) <= len(p) && l.left > 0 {
		n += copy(p[n:], line)
		l.left -= int64(len(line))
	}
	if n == 0 {
		return 0, io.ErrShortBuffer
	}
	return n, nil
}

// P8: the heap grows by less than 8 MB while a message of 50 MB is delivered,
// and while it is read.
func TestP8MemoryOfALargeMessage(t *testing.T) {
	config := newKeyspace(t)
	store := storetest.NewStore(t, config)
	storetest.Deliver(t, store, "bob", strings.Repeat("warm\r\n", 100_000)) // prepares the statements, fills the pools
	const size = 50_000_040
	var m mailbox.Message
	most := int64(8 << 20)
	growth := heapGrowth(func() {
		var err error
		m, err = mailbox.Deliver(t.Context(), store, mailbox.To("bob"), &lines{left: size})
		require.NoError(t, err)
	})
	t.Logf("appending %d octets: the heap grew by %.1f MB", m.Size, float64(growth)/1e6)
	require.Less(t, growth, most)
	require.GreaterOrEqual(t, m.Size, int64(size))

	mb := storetest.Open(t, store, "bob")
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	check := &checkWriter{}
	growth = heapGrowth(func() {
		source, err := mb.Open(t.Context(), m.ID, mailbox.OpenOptions{})
		require.NoError(t, err)
		_, err = io.Copy(check, source)
		require.NoError(t, err)
		require.NoError(t, source.Close())
	})
	t.Logf("reading it: the heap grew by %.1f MB", float64(growth)/1e6)
	require.Less(t, growth, most)
	require.Equal(t, m.Size, check.n)
	require.False(t, check.wrong)
}

// checkWriter compares what is written to it with lines.
type checkWriter struct {
	n     int64
	wrong bool
}

func (c *checkWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		want := line[c.n%int64(len(line)):]
		n := min(len(want), len(rest))
		c.wrong = c.wrong || !bytes.Equal(want[:n], rest[:n])
		c.n += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

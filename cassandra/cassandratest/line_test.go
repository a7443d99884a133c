package cassandratest

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// arrival is a packet that came out of a line.
type arrival struct {
	number uint32
	after  time.Duration
}

// onLine runs a test with a line in a world where time passes only when all
// wait: times are exact.
func onLine(t *testing.T, test func(t *testing.T, l *line, send func(number uint32, size int), arrived func() []arrival)) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var all []arrival
		l := newLine(func(p []byte) {
			all = append(all, arrival{binary.BigEndian.Uint32(p[1:]), time.Since(began)})
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go l.carry(ctx)
		packet := make([]byte, 9000)
		packet[0] = 4 << 4
		send := func(number uint32, size int) {
			binary.BigEndian.PutUint32(packet[1:], number)
			l.enter(packet[:size])
		}
		test(t, l, send, func() []arrival {
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return slices.Clone(all)
		})
	})
}

func TestLineDelaysAndKeepsTheOrder(t *testing.T) {
	onLine(t, func(t *testing.T, l *line, send func(uint32, int), arrived func() []arrival) {
		send(1, 100)
		require.Equal(t, []arrival{{1, 0}}, arrived(), "no delay")

		l.setDelay(25 * time.Millisecond)
		send(2, 100)
		time.Sleep(10 * time.Millisecond)
		send(3, 100)
		time.Sleep(14 * time.Millisecond)
		require.Len(t, arrived(), 1)
		time.Sleep(50 * time.Millisecond)
		require.Equal(t, []arrival{{2, 25 * time.Millisecond}, {3, 35 * time.Millisecond}}, arrived()[1:])

		l.setDelay(time.Hour)
		send(4, 100)
		send(5, 100)
		l.setDelay(0)
		require.Equal(t, []arrival{{4, 74 * time.Millisecond}, {5, 74 * time.Millisecond}}, arrived()[3:], "a new delay is for what is on its way too")

		l.enter([]byte{6 << 4, 0, 0, 0, 0})
		require.Len(t, arrived(), 5, "IPv4 only")
		require.Equal(t, Traffic{Packets: 5, Octets: 500}, l.carried())
	})
}

func TestLineHasARate(t *testing.T) {
	onLine(t, func(t *testing.T, l *line, send func(uint32, int), arrived func() []arrival) {
		l.setRate(1_000_000)
		l.setDelay(7 * time.Millisecond)
		for i := range uint32(200) { // 0.2 s worth, of which half finds room
			send(i, 1000)
		}
		time.Sleep(time.Second)
		got := arrived()
		require.Len(t, got, 101)
		for i, a := range got {
			require.Equal(t, arrival{uint32(i), time.Duration(i+8) * time.Millisecond}, a)
		}
		require.Equal(t, int64(99), l.carried().Lost)

		send(500, 5000)
		time.Sleep(time.Second)
		require.Equal(t, 1012*time.Millisecond, arrived()[101].after, "idle time is not saved up")
		l.setRate(0)
		send(501, 5000)
		time.Sleep(time.Second)
		require.Equal(t, 2007*time.Millisecond, arrived()[102].after)
	})
}

func TestLineHoldsSoMuchAndNoMore(t *testing.T) {
	onLine(t, func(t *testing.T, l *line, send func(uint32, int), arrived func() []arrival) {
		l.setDelay(time.Second)
		for i := range uint32(maxHeld/8192 + 10) {
			send(i, 8192)
		}
		require.Equal(t, int64(10), l.carried().Lost)
		time.Sleep(time.Second)
		require.Len(t, arrived(), maxHeld/8192)
		send(9, 100)
		time.Sleep(time.Second)
		require.Len(t, arrived(), maxHeld/8192+1, "room again")
	})
}

func TestLineLosesByChanceAndTheSeedRepeatsIt(t *testing.T) {
	survivors := func(loss float64, seed uint64) (numbers []uint32) {
		onLine(t, func(t *testing.T, l *line, send func(uint32, int), arrived func() []arrival) {
			l.setLoss(loss, seed)
			for i := range uint32(10_000) {
				send(i, 100)
			}
			for _, a := range arrived() {
				numbers = append(numbers, a.number)
			}
			require.EqualValues(t, 10_000-len(numbers), l.carried().Lost)
		})
		return numbers
	}
	tenth := survivors(0.1, 1)
	require.InDelta(t, 9000, len(tenth), 150)
	require.Equal(t, tenth, survivors(0.1, 1))
	require.NotEqual(t, tenth, survivors(0.1, 2))
	require.Len(t, survivors(0, 1), 10_000)
	require.Empty(t, survivors(1, 1))
}

func TestCutLineLosesWhatIsOnItsWay(t *testing.T) {
	onLine(t, func(t *testing.T, l *line, send func(uint32, int), arrived func() []arrival) {
		l.setDelay(10 * time.Millisecond)
		send(1, 100)
		time.Sleep(9 * time.Millisecond)
		l.setCut(true)
		send(2, 100)
		time.Sleep(time.Second)
		require.Empty(t, arrived())
		require.True(t, l.isCut())
		l.setCut(false)
		send(3, 100)
		time.Sleep(time.Second)
		require.Equal(t, []arrival{{3, 1019 * time.Millisecond}}, arrived())
		require.Equal(t, Traffic{Packets: 1, Octets: 100, Lost: 2}, l.carried())
	})
}

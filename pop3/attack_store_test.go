package pop3_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// crowd is a mailbox of twenty million messages. It counts those that are asked
// for.
type crowd struct {
	many
	listed *int
}

func (c crowd) NewSession(context.Context, *pop3.Conn) (pop3.Session, error)  { return c, nil }
func (c crowd) Login(context.Context, mailbox.Login) (mailbox.Mailbox, error) { return c, nil }

func (c crowd) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for m := range c.many.Messages(ctx) {
			if *c.listed++; !yield(m, nil) {
				return
			}
		}
	}
}

// A listing is not read further than to the first message that is one too many,
// and what is kept of one takes little: a session of the default limit has less
// than 64 MiB.
func TestAListingOfTwentyMillionMessages(t *testing.T) {
	const limit = 1_000_000
	server := insecure(nil)
	listed := 0
	server.Handler = crowd{many: many{20_000_000}, listed: &listed}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var inSession uint64
	server.Hooks = &pop3.Hooks{Command: func(_ context.Context, _ *pop3.Conn, info pop3.CommandInfo) {
		if info.Verb == "STAT" {
			inSession = heap()
		}
	}}
	output := transcript(t, server, goodLogin+"STAT\r\nQUIT\r\n")
	require.Contains(t, output, fmt.Sprintf("+OK maildrop has %d messages\r\n+OK %d %d\r\n", limit, limit, 3*limit))
	require.Equal(t, limit+1, listed)
	require.Less(t, inSession-min(inSession, before), uint64(64<<20))
}

// Sizes that cannot be true are not believed: the messages are counted, and STAT
// says no negative number.
func TestSizesThatAreTooLarge(t *testing.T) {
	store := newFakeStore("a", "b", "c", "d")
	for i, size := range []int64{math.MaxInt64, 3, math.MaxInt64, 1<<40 + 1} {
		store.messages[i].Size = size
	}
	client := loggedIn(t, store.server())
	require.Equal(t, "+OK 4 12", client.Command("STAT"))
	status, listing := client.Multi("LIST")
	require.Equal(t, "+OK 4 12", status)
	require.Equal(t, "1 3\r\n2 3\r\n3 3\r\n4 3\r\n", string(listing))
}

// Two thousand connections from one address: a hundred of them stay,
// the newest, those from other addresses get in, and those who have logged in,
// from that address too, do not notice.
func TestTwoThousandConnectionsFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(newFakeHost("one"))
		server.MaxConnections = 10_000
		member := pipeFrom(t, server, "192.0.2.1:1")
		member.Login("demo", "secret")
		stranger := pipeFrom(t, server, "192.0.2.2:1")
		var flood []*piped
		for i := range 2000 {
			flood = append(flood, pipeFrom(t, server, fmt.Sprint("192.0.2.1:", 2+i)))
		}
		synctest.Wait()
		stats := server.Stats()
		require.Equal(t, 100+1, stats.Open)
		require.Equal(t, 99+1, stats.BeforeLogin)
		for _, p := range flood[:2000-99] {
			requireDisplaced(t, p)
		}
		requireAlive(t, flood[2000-99:]...)
		requireAlive(t, member, stranger)
		for i := range 50 {
			visitor := pipeFrom(t, server, fmt.Sprintf("198.51.100.%d:1", i))
			visitor.Login("demo", "secret")
			require.Equal(t, "+OK bye", visitor.Quit())
		}
		stranger.Login("demo", "secret")
		require.Equal(t, "+OK 1 5", member.Command("STAT"))
	})
}

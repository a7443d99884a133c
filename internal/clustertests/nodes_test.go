package clustertests

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// trigger is an observer that runs something once, when a statement begins so.
type trigger struct {
	mu     sync.Mutex
	prefix string
	after  int
	do     func()
}

func (g *trigger) arm(prefix string, after int, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prefix, g.after, g.do = prefix, after, do
}

func (g *trigger) observe(o cassandra.Observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.do == nil || !strings.HasPrefix(o.Statement, g.prefix) {
		return
	}
	if g.after--; g.after <= 0 {
		go g.do()
		g.do = nil
	}
}

// dial opens a POP3 session that may break.
func dial(t testing.TB, server *pop3test.Server, user string) *pop3test.RawClient {
	t.Helper()
	conn, err := net.Dial("tcp", server.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	client, err := pop3test.NewRawClient(conn, 2*time.Minute)
	require.NoError(t, err)
	require.NoError(t, client.Login(user, "x"))
	return client
}

// statIsSum checks P6 on a session: STAT is the count and the sum of LIST.
func statIsSum(t testing.TB, client *pop3test.RawClient) (messages int) {
	t.Helper()
	stat, err := client.Command("STAT")
	require.NoError(t, err)
	var n, octets, count, sum int
	_, err = fmt.Sscanf(stat, "+OK %d %d", &n, &octets)
	require.NoError(t, err, stat)
	_, listing, err := client.Multi("LIST")
	require.NoError(t, err)
	for line := range strings.Lines(string(listing)) {
		var number, size int
		_, err := fmt.Sscanf(line, "%d %d", &number, &size)
		require.NoError(t, err)
		count, sum = count+1, sum+size
	}
	require.Equal(t, [2]int{n, octets}, [2]int{count, sum}, "P6: STAT is the count and the sum of LIST")
	return n
}

// halfway is a writer that runs something once, when so many octets were written.
type halfway struct {
	left int
	do   func()
}

func (h *halfway) Write(p []byte) (int, error) {
	if h.left -= len(p); h.left <= 0 && h.do != nil {
		h.do()
		h.do = nil
	}
	return len(p), nil
}

// One of three nodes is killed (-9) or stopped while mail is delivered, read and
// removed. The other two are a quorum: nothing acknowledged is lost, nothing
// removed returns, and whatever is refused is refused for now.
func TestP1P2P4P5P6OneNodeOfThree(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts three nodes of its own")
	}
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}}, Private: true})
	config := storetest.Migrate(t, cluster)
	config.Timeout = 0 // the default
	config.PurgeWorkers = 2
	var when trigger
	config.Observer = when.observe
	store := storetest.NewStore(t, config)
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store))
	var mail mailed
	users := []string{"a@example.org", "b@example.org", "c@example.org"}
	wake := func(t *testing.T, node string) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		require.NoError(t, cluster.Boot(ctx, node))
		require.NoError(t, cluster.Settle(ctx))
	}
	// sendDuring delivers before, during and after what happens to a node.
	sendDuring := func(t *testing.T, happen func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		wait := mail.sendUntil(ctx, t, store, users)
		begun := mail.total()
		storetest.Eventually(t, "mail flows", func() bool { return mail.total() > begun+15 })
		require.NoError(t, happen())
		at := mail.total()
		storetest.Eventually(t, "mail flows on", func() bool { return mail.total() > at+40 })
		cancel()
		require.Zero(t, wait(), "two of three are a quorum: no mail is refused")
	}

	t.Run("P1 killed while mail is delivered", func(t *testing.T) {
		sendDuring(t, func() error { return cluster.Kill("dc1-2") })
		mail.check(t, store, users)
		for _, user := range users {
			n := statIsSum(t, dial(t, server, user))
			require.Equal(t, len(mail.of(user)), n)
		}
	})
	wake(t, "dc1-2")
	mail.check(t, store, users)

	t.Run("P2 P3 P4 P6 killed in a RETR and a QUIT", func(t *testing.T) {
		const reader, quitter, messages, removed = "large@example.org", "quit@example.org", 150, 130
		big := storetest.BigBody(77, 6<<20)
		storetest.Deliver(t, store, reader, big)
		ids := fillMailbox(t, store, quitter, messages)
		quit := dial(t, server, quitter)
		for i := range removed {
			answer, err := quit.Command(fmt.Sprintf("DELE %d", i+1))
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(answer, "+OK"), answer)
		}
		retr := dial(t, server, reader)
		statIsSum(t, retr)
		answer, err := retr.Command("RETR 1")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(answer, fmt.Sprintf("+OK %d", len(big))), answer)

		killed := make(chan error, 1)
		when.arm("UPDATE mailbox_message", 1, func() { killed <- cluster.Kill("dc1-3") })
		quitAnswer := make(chan string, 1)
		start := time.Now()
		var got bytes.Buffer
		err = retr.CopyBody(io.MultiWriter(&got, &halfway{left: 1 << 20, do: func() {
			go func() {
				answer, err := quit.Command("QUIT")
				assert.NoError(t, err)
				t.Logf("QUIT with %d messages while a node is killed: %s, %s", removed, answer, time.Since(start))
				quitAnswer <- answer
			}()
			assert.NoError(t, <-killed)
		}}))
		t.Logf("RETR of %d octets while a node is killed: %s, %v", got.Len(), time.Since(start), err)
		if err != nil { // the connection dropped before the final dot: then again
			require.True(t, strings.HasPrefix(big, got.String()))
			storetest.Eventually(t, "the client's second attempt", func() bool {
				retr = dial(t, server, reader)
				answer, err := retr.Command("RETR 1")
				require.NoError(t, err)
				if !strings.HasPrefix(answer, "+OK") {
					require.True(t, strings.HasPrefix(answer, "-ERR [SYS/TEMP]"), answer)
					return false
				}
				got.Reset()
				return retr.CopyBody(&got) == nil
			})
		}
		require.True(t, big == got.String(), "octet for octet")

		answer = <-quitAnswer
		gone := wholeOrGone(t, store, quitter, ids)
		if strings.HasPrefix(answer, "+OK") {
			require.Len(t, gone, removed, "P3: gone after +OK")
		} else {
			require.True(t, strings.HasPrefix(answer, "-ERR"), answer)
		}
		wake(t, "dc1-3")
		stillGone := func(when string) {
			after := wholeOrGone(t, store, quitter, ids)
			for id := range gone {
				require.Contains(t, after, id, "P3: back %s", when)
			}
		}
		for range cluster.Nodes { // the one that was away answers, too
			stillGone("with the node")
		}
		_, err = storetest.NewStore(t, storetest.Later(config)).Repair(t.Context(), quitter, cassandra.RepairOptions{})
		require.NoError(t, err)
		stillGone("after a repair")
	})

	t.Run("P1 P4 a node that is stopped", func(t *testing.T) {
		const user = "stopped@example.org"
		ids := fillMailbox(t, store, user, 30)
		sendDuring(t, func() error { return cluster.Pause("dc1-2") })
		mb := storetest.Open(t, store, user)
		start := time.Now()
		_, err := storetest.TryList(t.Context(), mb)
		require.NoError(t, err)
		t.Logf("listing while a node is stopped: %s", time.Since(start))
		start = time.Now()
		err = mb.Delete(t.Context(), ids[:20])
		t.Logf("removal while a node is stopped: %s, %v", time.Since(start), err)
		gone := wholeOrGone(t, store, user, ids)
		if err == nil {
			require.Len(t, gone, 20)
		} else {
			require.ErrorIs(t, err, mailbox.ErrTemporary)
		}
		require.NoError(t, cluster.Resume("dc1-2"))
		require.NoError(t, cluster.Settle(t.Context()))
		after := wholeOrGone(t, store, user, ids)
		for id := range gone {
			require.Contains(t, after, id, "P3: back")
		}
		mail.check(t, store, users)
	})

	t.Run("P1 no quorum", func(t *testing.T) {
		const user = "none@example.org"
		kept := storetest.Deliver(t, store, user, storetest.Body(1))
		require.NoError(t, cluster.Pause("dc1-1"))
		require.NoError(t, cluster.Pause("dc1-3"))
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		_, err := storetest.TryDeliver(ctx, store, user, storetest.Body(2))
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		_, err = storetest.TryList(ctx, storetest.Open(t, store, user))
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NoError(t, cluster.Resume("dc1-1"))
		require.NoError(t, cluster.Resume("dc1-3"))
		require.NoError(t, cluster.Settle(t.Context()))
		var retry mailbox.Message
		storetest.Eventually(t, "the sender's retry is taken", func() bool {
			m, err := storetest.TryDeliver(t.Context(), store, user, storetest.Body(2))
			retry = m
			return err == nil
		})
		storetest.Eventually(t, "the failed attempt is not listed, the retry exactly once", func() bool {
			mb := storetest.Open(t, store, user)
			listed, err := storetest.TryList(t.Context(), mb)
			return err == nil && len(listed) == 2
		})
		require.Equal(t, map[string]string{kept.ID: storetest.Body(1), retry.ID: storetest.Body(2)}, storetest.Readable(t, store, user))
	})

	// P5: unique-ids are those that were acknowledged, and distinct.
	seen := make(map[string]bool)
	for _, user := range append(users, "quit@example.org", "stopped@example.org") {
		for _, m := range storetest.List(t, store, user) {
			require.False(t, seen[mailbox.UIDL(m)], "P5: a unique-id comes twice")
			seen[mailbox.UIDL(m)] = true
		}
	}
	mail.check(t, store, users)
	check := storetest.NewStore(t, storetest.Later(config))
	for _, user := range users {
		storetest.Mend(t, check, user, cassandra.NotRemoved, cassandra.NotListed, cassandra.NotComplete)
	}
	mail.check(t, store, users)
}

// fillMailbox delivers messages side by side, and returns their IDs in order.
func fillMailbox(t *testing.T, store *cassandra.Store, user string, messages int) (ids []string) {
	t.Helper()
	var group sync.WaitGroup
	for w := range 5 {
		group.Go(func() {
			for i := w; i < messages; i += 5 {
				for {
					_, err := storetest.TryDeliver(t.Context(), store, user, storetest.Body(i))
					if err == nil {
						break
					}
					if !assert.ErrorIs(t, err, mailbox.ErrTemporary) {
						return
					}
				}
			}
		})
	}
	group.Wait()
	for _, m := range storetest.List(t, store, user) {
		ids = append(ids, m.ID)
	}
	require.Len(t, ids, messages)
	return ids
}

// wholeOrGone checks that each message is listed and readable, or not listed
// (P4), and returns which are gone.
func wholeOrGone(t *testing.T, store mailbox.Store, user string, ids []string) map[string]bool {
	t.Helper()
	var found map[string]string
	storetest.Eventually(t, "the mailbox can be read", func() bool {
		mb := storetest.Open(t, store, user)
		listed, err := storetest.TryList(t.Context(), mb)
		if err != nil {
			require.ErrorIs(t, err, mailbox.ErrTemporary)
			return false
		}
		found = make(map[string]string)
		for _, m := range listed {
			text, err := storetest.Read(t.Context(), mb, m.ID)
			if err != nil {
				require.ErrorIs(t, err, mailbox.ErrTemporary, "P2")
				return false
			}
			found[m.ID] = text
		}
		return true
	})
	gone := make(map[string]bool)
	for _, id := range ids {
		if _, listed := found[id]; !listed {
			gone[id] = true
		}
	}
	require.Equal(t, len(ids)-len(gone), len(found), "nothing but what was delivered")
	return gone
}

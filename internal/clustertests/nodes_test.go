package clustertests

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
	"github.com/popcask/popcask/pop3/pop3test"
)

// trigger is an observer that calls a function once, at a statement that begins
// with a prefix.
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
func dial(t testing.TB, server *pop3test.Server, user string) *pop3client.Client {
	t.Helper()
	options := pop3client.Options{AllowInsecureAuth: true}
	client, err := pop3client.Dial(t.Context(), server.Addr, options)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	require.NoError(t, client.Login(t.Context(), user, "x"))
	return client
}

// isTemporary reports whether an error is -ERR [SYS/TEMP].
func isTemporary(err error) bool {
	var refused *pop3client.Error
	return errors.As(err, &refused) && refused.Code == pop3.CodeTemporary
}

// statIsSum checks that STAT is the count and the sum of LIST (P6), and returns
// the count.
func statIsSum(t testing.TB, client *pop3client.Client) (messages int) {
	t.Helper()
	messages, octets, err := client.Stat(t.Context())
	require.NoError(t, err)
	list, err := client.List(t.Context())
	require.NoError(t, err)
	sum := int64(0)
	for _, m := range list {
		sum += m.Size
	}
	require.Equal(t, messages, len(list), "P6: STAT is the count of LIST")
	require.Equal(t, octets, sum, "P6: STAT is the sum of LIST")
	return messages
}

// halfway is a writer that calls a function once, after so many octets.
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

// One of three nodes is killed (-9) or stopped while mail is delivered, read
// and removed. The other two are a quorum: nothing that was acknowledged is
// lost (P1) or torn (P2), nothing that was removed comes back (P3), each
// message of a session that failed is wholly there or wholly gone (P4),
// unique-ids stay distinct (P5) and sizes true (P6). What is refused is refused
// for now.
func TestOneNodeOfThree(t *testing.T) {
	slow.Test(t, "three nodes, which are killed and stopped")
	t.Parallel()
	c := newTrio(t)
	t.Run("P1 killed while mail is delivered", c.killedWhileMailIsDelivered)
	c.wake(t, "dc1-2")
	c.mail.check(t, c.store, c.users)
	t.Run("P2 P3 P4 P6 killed in a RETR and a QUIT", c.killedInRETRAndQUIT)
	t.Run("P1 P4 a node that is stopped", c.stopped)
	t.Run("P1 no quorum", c.noQuorum)
	c.nothingIsLeft(t)
}

// trio is three nodes, and what was mailed through a store on them.
type trio struct {
	cluster *cassandratest.Cluster
	config  cassandra.Config
	when    trigger
	store   *cassandra.Store
	server  *pop3test.Server
	mail    mailed
	users   []string
}

const (
	reader  = "large@example.org"
	quitter = "quit@example.org"
	stopper = "stopped@example.org"
)

func newTrio(t *testing.T) *trio {
	c := &trio{users: []string{"a@example.org", "b@example.org", "c@example.org"}}
	c.cluster = cassandratest.Start(t, cassandratest.Topology{DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}}, Private: true, Settings: storetest.Killable(nil)})
	c.config = storetest.Migrate(t, c.cluster)
	c.config.Timeout = 0 // the default
	c.config.PurgeWorkers = 2
	c.config.Observer = c.when.observe
	c.store = storetest.NewStore(t, c.config)
	c.server = pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), c.store))
	return c
}

func (c *trio) wake(t *testing.T, node string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, c.cluster.Boot(ctx, node))
	require.NoError(t, c.cluster.Settle(ctx))
}

// sendDuring delivers before, during and after what happens to a node.
func (c *trio) sendDuring(t *testing.T, happen func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wait := c.mail.sendUntil(ctx, t, c.store, c.users)
	begun := c.mail.total()
	storetest.Eventually(t, "mail flows", func() bool { return c.mail.total() > begun+15 })
	require.NoError(t, happen())
	at := c.mail.total()
	storetest.Eventually(t, "mail flows on", func() bool { return c.mail.total() > at+40 })
	cancel()
	require.Zero(t, wait(), "two of three are a quorum: no mail is refused")
}

func (c *trio) killedWhileMailIsDelivered(t *testing.T) {
	c.sendDuring(t, func() error { return c.cluster.Kill("dc1-2") })
	c.mail.check(t, c.store, c.users)
	for _, user := range c.users {
		n := statIsSum(t, dial(t, c.server, user))
		require.Equal(t, len(c.mail.of(user)), n)
	}
}

// killedInRETRAndQUIT kills a node at the first mark that a QUIT of many
// removals writes, in the middle of the RETR of a large message.
func (c *trio) killedInRETRAndQUIT(t *testing.T) {
	const messages, removed = 150, 130
	big := storetest.BigBody(77, 6<<20)
	storetest.Deliver(t, c.store, reader, big)
	ids := fillMailbox(t, c.store, quitter, messages)
	quit := dial(t, c.server, quitter)
	for i := range removed {
		require.NoError(t, quit.Dele(t.Context(), i+1))
	}
	retr := dial(t, c.server, reader)
	statIsSum(t, retr)
	body, err := retr.Retr(t.Context(), 1)
	require.NoError(t, err)

	killed := make(chan error, 1)
	c.when.arm("UPDATE mailbox_message", 1, func() { killed <- c.cluster.Kill("dc1-3") })
	quitAnswer := make(chan error, 1)
	began := time.Now()
	var got bytes.Buffer
	_, err = io.Copy(io.MultiWriter(&got, &halfway{left: 1 << 20, do: func() {
		go func() {
			err := quit.Quit(t.Context())
			t.Logf("QUIT with %d messages while a node is killed: %v, %s", removed, err, time.Since(began))
			quitAnswer <- err
		}()
		assert.NoError(t, <-killed)
	}}), body)
	t.Logf("RETR of %d octets while a node is killed: %s, %v", got.Len(), time.Since(began), err)
	if err != nil { // the connection dropped before the final dot: then again
		require.True(t, strings.HasPrefix(big, got.String()))
		c.retrieveAgain(t, &got)
	}
	require.True(t, big == got.String(), "octet for octet")

	err = <-quitAnswer
	gone := wholeOrGone(t, c.store, quitter, ids)
	if err == nil {
		require.Len(t, gone, removed, "P3: gone after +OK")
	} else {
		require.ErrorAs(t, err, new(*pop3client.Error), "an answer")
	}
	c.wake(t, "dc1-3")
	c.staysGone(t, ids, gone)
}

// retrieveAgain is the client's second attempt, and the next.
func (c *trio) retrieveAgain(t *testing.T, got *bytes.Buffer) {
	storetest.Eventually(t, "the client's second attempt", func() bool {
		retr := dial(t, c.server, reader)
		body, err := retr.Retr(t.Context(), 1)
		if err != nil {
			require.True(t, isTemporary(err), err)
			return false
		}
		got.Reset()
		_, err = io.Copy(got, body)
		return err == nil
	})
}

// staysGone requires that no message comes back (P3) when the node that was
// away answers, too, and after a repair.
func (c *trio) staysGone(t *testing.T, ids []string, gone map[string]bool) {
	stillGone := func(when string) {
		after := wholeOrGone(t, c.store, quitter, ids)
		for id := range gone {
			require.Contains(t, after, id, "P3: back %s", when)
		}
	}
	for range c.cluster.Nodes {
		stillGone("with the node")
	}
	_, err := storetest.NewStore(t, storetest.Later(c.config)).Repair(t.Context(), quitter, cassandra.RepairOptions{})
	require.NoError(t, err)
	stillGone("after a repair")
}

func (c *trio) stopped(t *testing.T) {
	ids := fillMailbox(t, c.store, stopper, 30)
	c.sendDuring(t, func() error { return c.cluster.Pause("dc1-2") })
	mb := storetest.Open(t, c.store, stopper)
	began := time.Now()
	_, err := mailbox.List(t.Context(), mb)
	require.NoError(t, err)
	t.Logf("listing while a node is stopped: %s", time.Since(began))
	began = time.Now()
	err = mb.Delete(t.Context(), ids[:20])
	t.Logf("removal while a node is stopped: %s, %v", time.Since(began), err)
	gone := wholeOrGone(t, c.store, stopper, ids)
	if err == nil {
		require.Len(t, gone, 20)
	} else {
		require.ErrorIs(t, err, mailbox.ErrTemporary)
	}
	require.NoError(t, c.cluster.Resume("dc1-2"))
	require.NoError(t, c.cluster.Settle(t.Context()))
	after := wholeOrGone(t, c.store, stopper, ids)
	for id := range gone {
		require.Contains(t, after, id, "P3: back")
	}
	c.mail.check(t, c.store, c.users)
}

// noQuorum stops two nodes: a delivery and a listing are refused for now, and
// the sender's retry is listed exactly once.
func (c *trio) noQuorum(t *testing.T) {
	const user = "none@example.org"
	kept := storetest.Deliver(t, c.store, user, storetest.Body(1))
	require.NoError(t, c.cluster.Pause("dc1-1"))
	require.NoError(t, c.cluster.Pause("dc1-3"))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	_, err := storetest.TryDeliver(ctx, c.store, user, storetest.Body(2))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	_, err = mailbox.List(ctx, storetest.Open(t, c.store, user))
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.NoError(t, c.cluster.Resume("dc1-1"))
	require.NoError(t, c.cluster.Resume("dc1-3"))
	require.NoError(t, c.cluster.Settle(t.Context()))
	var retry mailbox.Message
	storetest.Eventually(t, "the sender's retry is taken", func() bool {
		retry, err = storetest.TryDeliver(t.Context(), c.store, user, storetest.Body(2))
		return err == nil
	})
	storetest.Eventually(t, "the failed attempt is not listed, the retry exactly once", func() bool {
		mb := storetest.Open(t, c.store, user)
		listed, err := mailbox.List(t.Context(), mb)
		return err == nil && len(listed) == 2
	})
	require.Equal(t, map[string]string{kept.ID: storetest.Body(1), retry.ID: storetest.Body(2)}, storetest.Readable(t, c.store, user))
}

// nothingIsLeft requires that unique-ids are distinct (P5), that all that was
// acknowledged is there (P1), and that a repair finds no more than what failed
// attempts have left.
func (c *trio) nothingIsLeft(t *testing.T) {
	seen := make(map[string]bool)
	for _, user := range append(c.users, quitter, stopper) {
		for _, m := range storetest.List(t, c.store, user) {
			require.False(t, seen[mailbox.UIDL(m)], "P5: a unique-id comes twice")
			seen[mailbox.UIDL(m)] = true
		}
	}
	c.mail.check(t, c.store, c.users)
	check := storetest.NewStore(t, soon(t, c.config))
	for _, user := range c.users {
		storetest.Mend(t, check, user, cassandra.NotRemoved, cassandra.NotListed, cassandra.NotComplete)
	}
	c.mail.check(t, c.store, c.users)
}

// fillMailbox delivers messages side by side, each until it is taken, and
// returns their IDs in order.
func fillMailbox(t *testing.T, store *cassandra.Store, user string, messages int) (ids []string) {
	t.Helper()
	require.NoError(t, parallel.Each(5, messages, func(i int) error {
		for {
			_, err := storetest.TryDeliver(t.Context(), store, user, storetest.Body(i))
			if !errors.Is(err, mailbox.ErrTemporary) {
				return err
			}
		}
	}))
	ids = storetest.ListIDs(t, store, user)
	require.Len(t, ids, messages)
	return ids
}

// wholeOrGone checks that each message is either listed and readable or not
// listed (P4), and returns those that are gone.
func wholeOrGone(t *testing.T, store mailbox.Store, user string, ids []string) map[string]bool {
	t.Helper()
	var found map[string]string
	storetest.Eventually(t, "the mailbox can be read", func() bool {
		mb := storetest.Open(t, store, user)
		listed, err := mailbox.List(t.Context(), mb)
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

package clustertests

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// side is one of two data centres that cannot hear each other.
type side struct {
	dc     string
	store  *cassandra.Store
	server *pop3test.Server
	tables storetest.Tables
	heard  storetest.Recorder
	held   map[string]map[string]string // by user and ID: the bodies that it must list, and no others
	gone   map[string]bool              // the IDs that it removed
	number int                          // of its last body
	took   map[string][]time.Duration   // by kind of work

	mu       sync.Mutex
	unproven []error // proofs that failed
}

func newSide(t *testing.T, cluster *cassandratest.Cluster, config cassandra.Config, dc string) *side {
	s := &side{dc: dc, held: make(map[string]map[string]string), gone: make(map[string]bool), took: make(map[string][]time.Duration)}
	config = storetest.In(config, cluster, dc)
	s.tables = storetest.TablesOf(t, cluster, config)
	config.Observer = s.heard.Observe
	config.OnError = func(err error) {
		if strings.Contains(err.Error(), "seal the mailbox") {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.unproven = append(s.unproven, err)
		}
	}
	s.store = storetest.NewStore(t, config)
	s.server = pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), s.store))
	return s
}

// proofFailed reports whether a mailbox could not be sealed.
func (s *side) proofFailed(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.unproven, func(err error) bool { return strings.Contains(err.Error(), user) })
}

// time does some work, and notes how long it took.
func (s *side) time(kind string, work func()) {
	began := time.Now()
	work()
	s.took[kind] = append(s.took[kind], time.Since(began))
}

// work delivers, lists, retrieves and removes mail of a user, first over POP3
// and then through the library. After each step the data centre must list what
// was delivered to it and what it did not remove itself, and nothing else.
func (s *side) work(t *testing.T, user string, also int) {
	if s.held[user] == nil {
		s.held[user] = make(map[string]string)
	}
	for i := range 4 {
		s.number++
		text := fmt.Sprintf("Subject: %d of %s\r\n\r\n.%s\r\n", s.number, s.dc, user)
		if i == 3 {
			text = storetest.BigBody(uint64(s.number), 100<<10) + s.dc + "\r\n"
		}
		s.time("delivery", func() { s.held[user][storetest.Deliver(t, s.store, user, text).ID] = text })
	}
	ids := s.ids(user)
	s.time("POP3 session", func() {
		client := s.server.Dial(t)
		client.Login(user, "x")
		require.Equal(t, fmt.Sprintf("+OK %d %d", len(ids), s.octets(user)), client.Command("STAT"), "%s of %s", user, s.dc)
		for i, id := range ids {
			status, body := client.Multi(fmt.Sprintf("RETR %d", i+1))
			require.True(t, strings.HasPrefix(status, "+OK"), status)
			require.True(t, s.held[user][id] == string(body), "P2: octet for octet")
		}
		for _, n := range []int{1, len(ids)} {
			require.True(t, strings.HasPrefix(client.Command(fmt.Sprintf("DELE %d", n)), "+OK"))
		}
		status := client.Quit()
		require.True(t, strings.HasPrefix(status, "+OK"), status)
	})
	s.removed(user, ids[0], ids[len(ids)-1])
	ids = s.ids(user)
	s.time("session", func() {
		mb, err := s.store.Open(t.Context(), mailbox.Login{User: user})
		require.NoError(t, err)
		messages, err := mailbox.List(t.Context(), mb)
		require.NoError(t, err)
		require.Equal(t, ids, storetest.IDs(messages), "%s of %s", user, s.dc)
		for _, id := range ids {
			text, err := storetest.Read(t.Context(), mb, id)
			require.NoError(t, err)
			require.True(t, s.held[user][id] == text, "P2: octet for octet")
		}
		require.NoError(t, mb.Delete(t.Context(), []string{ids[also]}))
		require.NoError(t, mb.Close())
	})
	s.removed(user, ids[also])
	require.Equal(t, s.ids(user), storetest.ListIDs(t, s.store, user))
}

func (s *side) removed(user string, ids ...string) {
	for _, id := range ids {
		delete(s.held[user], id)
		s.gone[id] = true
	}
}

// ids returns the IDs that it must list, in the order of their times.
func (s *side) ids(user string) []string { return inOrder(s.held[user]) }

func (s *side) octets(user string) (sum int) {
	for _, text := range s.held[user] {
		sum += len(text)
	}
	return sum
}

func inOrder(bodies map[string]string) []string {
	ids := slices.Collect(maps.Keys(bodies))
	slices.SortFunc(ids, func(a, b string) int {
		x, errX := cassandra.ParseMessageID(a)
		y, errY := cassandra.ParseMessageID(b)
		if err := errors.Join(errX, errY); err != nil {
			panic(err)
		}
		return x.Compare(y)
	})
	return ids
}

// union returns what both must list after they hear each other again: what was
// delivered to one of them, and removed by none.
func union(a, b *side, user string) map[string]string {
	all := maps.Clone(a.held[user])
	maps.Copy(all, b.held[user])
	maps.DeleteFunc(all, func(id, _ string) bool { return a.gone[id] || b.gone[id] })
	return all
}

// alike checks that both list the same messages with the same unique-ids, and
// serve them octet for octet, over POP3 and through the library.
func alike(t *testing.T, a, b *side, user string, want map[string]string) {
	ids := inOrder(want)
	var uidls [2]string
	for i, s := range []*side{a, b} {
		require.Equal(t, ids, storetest.ListIDs(t, s.store, user), "%s of %s", user, s.dc)
		client := s.server.Dial(t)
		client.Login(user, "x")
		status, body := client.Multi("UIDL")
		require.True(t, strings.HasPrefix(status, "+OK"), status)
		uidls[i] = string(body)
		for n, id := range ids {
			status, body := client.Multi(fmt.Sprintf("RETR %d", n+1))
			require.True(t, strings.HasPrefix(status, "+OK"), status)
			require.True(t, want[id] == string(body), "P2: octet for octet")
		}
		require.True(t, strings.HasPrefix(client.Quit(), "+OK"))
	}
	require.Equal(t, len(ids), strings.Count(uidls[0], "\r\n"))
	require.Equal(t, uidls[0], uidls[1], "P5: the same unique-ids in both data centres")
}

// The link between two data centres is cut before the first delivery and healed
// at the end. Meanwhile both deliver and serve as if nothing had happened, the
// same users too (P1, P2); then both list the same set with the same unique-ids
// (P5), and nothing that one removed (P3). The first time hints bring what the
// other missed, the second time, without any, the operator's repair does.
func TestCutLinkForTheWholeTest(t *testing.T) {
	slow.Test(t, "two nodes that cannot hear each other, twice")
	t.Parallel()
	began := time.Now()
	step := func(what string) { t.Helper(); t.Logf("%5.1f s: %s", time.Since(began).Seconds(), what) }
	c := newCut(t)

	c.apart("cleo@example.org")
	step("apart, and healed")
	c.together()
	step("hints have brought everything")
	c.sealedAgain()
	step("sealed")

	c.withoutHints()
	c.apart("dora@example.org")
	step("apart without hints, and healed")
	c.repair()
	step("repaired")
	c.together()
	step("the repair has brought everything")
	c.sealedAgain()
	step("sealed")
	c.aNewProcessSeesTheSame()

	c.waitsForNobody()
}

// cut is two data centres, the link between them, and the users of both.
type cut struct {
	*testing.T
	cluster  *cassandratest.Cluster
	config   cassandra.Config
	link     *cassandratest.Link
	one, two *side
	users    []string
}

func newCut(t *testing.T) *cut {
	c := &cut{T: t, users: []string{anna, ben}}
	c.cluster = cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"phi_convict_threshold": 5, "hints_flush_period": "1000ms"},
		Private:  true,
		WAN:      true,
	})
	c.link = c.cluster.Link("dc1", "dc2")
	c.config = storetest.Migrate(t, c.cluster)
	c.config.ChunkSize = 16 << 10
	c.config.SealAfter = 1
	c.config.Horizon = 10 * time.Second
	c.one, c.two = newSide(t, c.cluster, c.config, "dc1"), newSide(t, c.cluster, c.config, "dc2")
	return c
}

func (c *cut) sides() []*side { return []*side{c.one, c.two} }

// apart cuts the link, has both sides work, and heals it. Each time there is a
// new user, whose mailbox is not sealed yet.
func (c *cut) apart(fresh string) {
	require.NoError(c, c.link.Cut())
	c.users = append(c.users, fresh)
	c.work() // the nodes take each other for alive, and wait for answers
	require.NoError(c, c.cluster.Settle(c.Context()))
	c.work() // they have given each other up
	for _, s := range c.sides() {
		storetest.Eventually(c, "nothing can be sealed while a data centre is silent", func() bool {
			c.opens(s, fresh)
			return s.proofFailed(fresh)
		})
		require.False(c, c.isSealed(s, fresh), "P1: no seal without every data centre")
	}
	require.NotEqual(c, c.one.ids(c.users[0]), c.two.ids(c.users[0]))
	require.NoError(c, c.link.Heal())
	require.NoError(c, c.cluster.Settle(c.Context()))
}

func (c *cut) work() {
	for _, user := range c.users {
		for i, s := range c.sides() {
			s.work(c.T, user, i)
		}
	}
}

// opens opens a session, which asks again for a proof that has failed.
func (c *cut) opens(s *side, user string) {
	mb, err := s.store.Open(c.Context(), mailbox.Login{User: user})
	require.NoError(c, err)
	require.NoError(c, mb.Close())
}

func (c *cut) isSealed(s *side, user string) bool {
	id, _, err := s.store.Mailbox(user)
	require.NoError(c, err)
	for _, row := range s.tables.Ledger(id) {
		if row.Until > 0 {
			return true
		}
	}
	return false
}

// together waits until both sides list the same, and checks that they serve it.
func (c *cut) together() {
	for _, user := range c.users {
		want := union(c.one, c.two, user)
		for _, s := range c.sides() {
			require.Eventually(c, func() bool {
				mb, err := s.store.Open(c.Context(), mailbox.Login{User: user})
				if err != nil {
					return false
				}
				defer mb.Close()
				messages, err := mailbox.List(c.Context(), mb)
				return err == nil && slices.Equal(inOrder(want), storetest.IDs(messages))
			}, 3*time.Minute, 100*time.Millisecond, "%s lists what both got, and nothing that one removed", s.dc)
		}
		alike(c.T, c.one, c.two, user, want)
		c.one.held[user], c.two.held[user] = maps.Clone(want), maps.Clone(want)
	}
}

// withoutHints keeps the nodes from sending each other what they missed.
func (c *cut) withoutHints() {
	for _, node := range c.cluster.Nodes {
		_, err := c.cluster.NodeTool(c.Context(), node.Name, "disablehandoff")
		require.NoError(c, err)
	}
}

// repair runs the operator's repair. Before that it opens no session: a proof
// that follows would read every replica, and reading repairs.
func (c *cut) repair() {
	for _, user := range c.users {
		require.NotEqual(c, c.rows(c.one, user), c.rows(c.two, user), "nothing has brought it yet")
	}
	out, err := c.cluster.NodeTool(c.Context(), c.cluster.Nodes[0].Name, "repair", "-full", c.config.Keyspace)
	require.NoError(c, err, out)
	for _, user := range c.users {
		require.Equal(c, c.rows(c.one, user), c.rows(c.two, user), "the repair has brought it")
	}
}

// rows returns the IDs that a data centre has in the listing of a mailbox, in
// the buckets of what either of them holds.
func (c *cut) rows(s *side, user string) (ids []string) {
	box, _, err := s.store.Mailbox(user)
	require.NoError(c, err)
	buckets := make(map[int64]bool)
	for id := range union(c.one, c.two, user) {
		parsed, err := cassandra.ParseMessageID(id)
		require.NoError(c, err)
		buckets[parsed.Bucket()] = true
	}
	for _, bucket := range slices.Sorted(maps.Keys(buckets)) {
		rows := s.tables.CQL.Query(s.tables.In("SELECT message_id FROM KS.projection WHERE mailbox_id = ? AND bucket = ?"), [16]byte(box), bucket).
			Consistency(gocql.LocalOne).Iter()
		for id := (gocql.UUID{}); rows.Scan(&id); {
			ids = append(ids, id.String())
		}
		require.NoError(c, rows.Close())
	}
	return ids
}

func (c *cut) aNewProcessSeesTheSame() {
	for _, s := range c.sides() {
		again := newSide(c.T, c.cluster, c.config, s.dc)
		for _, user := range c.users {
			require.Equal(c, s.ids(user), storetest.ListIDs(c, again.store, user), "P3: what was removed is gone")
		}
	}
}

// waitsForNobody does the same work with the link whole, and compares how long
// it took. An operation that waits for the other side of a cut link waits for a
// time-out of the nodes, of 2 s or more.
func (c *cut) waitsForNobody() {
	for _, s := range c.sides() {
		apart := maps.Clone(s.took)
		clear(s.took)
		for n := range 2 * len(c.users) {
			user := fmt.Sprintf("%d@%s.example.org", n, s.dc)
			s.work(c.T, user, 0)
			s.work(c.T, user, 0)
		}
		for kind, whole := range s.took {
			cut, uncut := median(apart[kind]), median(whole)
			c.Logf("%s: median of a %s %s with the link cut, %s with it whole", s.dc, kind, cut, uncut)
			require.Less(c, cut, 10*uncut+time.Second, "a %s of %s does not wait for the other side", kind, s.dc)
		}
	}
	for _, s := range c.sides() {
		for _, o := range s.heard.Take() {
			if o.Err != nil && o.Consistency == "LOCAL_QUORUM" {
				c.Logf("%s: tried again: %s at %s: %v", s.dc, o.Statement, o.Consistency, o.Err)
			}
		}
	}
}

// sealedAgain waits until all mailboxes are sealed, now that both sides answer,
// and checks that both list the same as before.
func (c *cut) sealedAgain() {
	for _, user := range c.users {
		for _, s := range c.sides() {
			storetest.Eventually(c, "it is sealed when it is opened again", func() bool {
				c.opens(s, user)
				return c.isSealed(s, user)
			})
		}
	}
	c.together()
}

func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2]
}

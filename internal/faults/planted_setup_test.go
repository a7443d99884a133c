package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// plot is a short history on a real cluster in which a planted bug does its
// harm. Without the bug nothing goes wrong in it.
type plot struct {
	*testing.T
	planted  bool
	cluster  *cassandratest.Cluster
	keyspace string
	user     string

	mu      sync.Mutex
	ops     []Op
	harmful int // calls that the bug has changed
}

// site is a keyspace in which plots are played.
type site struct {
	cluster  *cassandratest.Cluster
	keyspace string
}

// bucketOfPlots is the width of a bucket.
const bucketOfPlots = time.Hour

// newSite makes a keyspace in one data centre.
func newSite(t *testing.T, cluster *cassandratest.Cluster, replication cassandra.Replication) site {
	t.Helper()
	keyspace := cluster.KeyspaceName(t)
	paxostest.Watch(t, cluster, keyspace)
	for dc := range replication {
		config := configOf(cluster, keyspace, dc)
		config.Bucket = bucketOfPlots
		require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	}
	return site{cluster, keyspace}
}

func configOf(cluster *cassandratest.Cluster, keyspace, dc string) cassandra.Config {
	return cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: keyspace, Timeout: 20 * time.Second, GapInterval: -1}
}

// find plays a plot with the bug, in which the checker must find a violation of
// a class, and without it, in which it must find nothing.
func (s site) find(t *testing.T, want Class, play func(*plot)) {
	for _, planted := range []bool{true, false} {
		t.Run(map[bool]string{true: "planted", false: "not planted"}[planted], func(t *testing.T) {
			p := &plot{T: t, planted: planted, cluster: s.cluster, keyspace: s.keyspace}
			p.user = strings.ToLower(strings.NewReplacer("/", ".", "_", "").Replace(t.Name())) + "@example.org"
			play(p)
			report := Check(p.ops, nil)
			require.Empty(t, report.Unverified)
			if !planted {
				require.Empty(t, report.Violations, "%s", report)
				return
			}
			require.Positive(t, p.harmful, "the bug did nothing")
			found := report.Of(want)
			require.NotEmpty(t, found, "%s", report)
			for _, v := range found {
				t.Logf("%s: %s", v.Class, v.Text)
			}
		})
	}
}

// harm notes that the bug has done something.
func (p *plot) harm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.harmful++
}

// bug is a planted bug, and the setup of its host.
type bug struct {
	change func(*cassandra.Config)
	tamper func(*storetest.Call)                 // the bug
	index  func(cassandra.Index) cassandra.Index // also without the bug
}

// host returns a worker of a host in this process that records into the plot.
func (p *plot) host(name, dc string, b bug) (*Worker, *cassandra.Session) {
	p.Helper()
	config := configOf(p.cluster, p.keyspace, dc)
	if b.change != nil {
		b.change(&config)
	}
	if p.planted && b.tamper != nil {
		config.Wrap = storetest.Tamper(b.tamper)
	}
	h := &Host{Name: dc + "/" + name, DC: dc, Config: config, Deadline: time.Minute, Record: p.record()}
	if b.index != nil {
		h.Index = func(s *cassandra.Session) cassandra.Index { return b.index(projection.New(s)) }
	}
	w, err := h.Open(p.Context())
	require.NoError(p, err)
	p.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		require.NoError(p, w.Store.Close(ctx))
	})
	return w, w.Store.Session()
}

// record returns a function that records the operations of a host.
func (p *plot) record() func(int64, Op) {
	places := make(map[int64]int)
	return func(number int64, op Op) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if place, called := places[number]; called {
			p.ops[place] = op
			return
		}
		places[number] = len(p.ops)
		p.ops = append(p.ops, op)
	}
}

// letter returns the n-th message of the plot, of about size octets.
func (p *plot) letter(n, size int) Text {
	return Write(p.user, n, size, rand.New(rand.NewPCG(1, uint64(n))))
}

// delivers delivers messages through a host. If one is refused, because of a
// proof at the same time or a busy machine, it is sent again, as senders do.
func (p *plot) delivers(w *Worker, letters ...Text) (messages []Message) {
	p.Helper()
	for _, letter := range letters {
		p.eventually("an acknowledgement", func() bool { return len(w.Attempt(p.Context(), letter, []string{p.user})) == 0 })
		messages = append(messages, p.last().Message)
	}
	return messages
}

// last returns the last operation.
func (p *plot) last() Op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ops[len(p.ops)-1]
}

// opens opens a session, and lists the mailbox.
func (p *plot) opens(w *Worker, final bool) (mailbox.Mailbox, []Message) {
	p.Helper()
	box, err := w.Store.Open(p.Context(), mailbox.Login{User: p.user})
	require.NoError(p, err)
	messages, err := w.List(p.Context(), box, Op{Kind: List, User: p.user, Final: final})
	require.NoError(p, err)
	return box, messages
}

// reads lists and retrieves all that is listed.
func (p *plot) reads(w *Worker, final bool) {
	p.Helper()
	box, messages := p.opens(w, final)
	for _, m := range messages {
		p.eventually("a final answer", func() bool { // on a busy machine it may be another one at first
			return w.Retrieve(p.Context(), box, p.user, m, final) == nil || p.last().Outcome == Gone
		})
	}
	require.NoError(p, box.Close())
}

// removes removes messages in a session of its own.
func (p *plot) removes(w *Worker, messages ...Message) {
	p.Helper()
	box, _ := p.opens(w, false)
	w.Remove(p.Context(), box, p.user, messages)
	require.Equal(p, OK, p.last().Outcome, p.last().Error)
	require.NoError(p, box.Close())
}

// mailboxOf returns the ID of the plot's mailbox.
func (p *plot) mailboxOf(session *cassandra.Session) cassandra.MailboxID {
	p.Helper()
	id, _, err := session.Mailbox(p.user)
	require.NoError(p, err)
	return id
}

// provenUntil returns the end of the last range that is recorded as empty, in
// microseconds.
func (p *plot) provenUntil(db *gocql.Session, id cassandra.MailboxID) (until int64) {
	p.Helper()
	rows := db.Query(fmt.Sprintf("SELECT until FROM %s.ledger WHERE mailbox_id = ? AND kind = 'gap'", p.keyspace), [16]byte(id)).Iter()
	for end := int64(0); rows.Scan(&end); {
		until = max(until, end)
	}
	require.NoError(p, rows.Close())
	return until
}

func (p *plot) eventually(what string, condition func() bool) {
	p.Helper()
	require.Eventually(p, condition, 2*time.Minute, 20*time.Millisecond, what)
}

func idOf(t require.TestingT, m Message) cassandra.MessageID {
	id, err := cassandra.ParseMessageID(m.ID)
	require.NoError(t, err)
	return id
}

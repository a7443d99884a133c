package faults

import (
	"context"
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
const bucketOfPlots = 30 * 24 * time.Hour

// newSite makes a keyspace in one data centre.
func newSite(t *testing.T, cluster *cassandratest.Cluster, replication cassandra.Replication) site {
	t.Helper()
	keyspace := cluster.KeyspaceName(t)
	paxostest.Watch(t, cluster, keyspace)
	for dc := range replication {
		require.NoError(t, cassandra.Migrate(t.Context(), configOf(cluster, keyspace, dc), replication))
	}
	return site{cluster, keyspace}
}

// alter changes the schema. KS is the keyspace.
func (s site) alter(t *testing.T, db *gocql.Session, statement string) {
	t.Helper()
	require.NoError(t, db.Query(strings.ReplaceAll(statement, "KS", s.keyspace)).Exec())
	require.NoError(t, db.AwaitSchemaAgreement(t.Context()))
}

// replicate changes the replication, to one like "'dc1': 3". New replicas know
// nothing but the settings, without which no host connects: reading them
// everywhere repairs them.
func (s site) replicate(t *testing.T, db *gocql.Session, text string) {
	t.Helper()
	s.alter(t, db, "ALTER KEYSPACE KS WITH replication = {'class': 'NetworkTopologyStrategy', "+text+"}")
	require.NoError(t, db.Query("SELECT id, version, namespace, canonicaliser, replication, replication_since FROM "+s.keyspace+".settings WHERE id = 'popcask'").Consistency(gocql.All).Exec())
}

func configOf(cluster *cassandratest.Cluster, keyspace, dc string) cassandra.Config {
	return cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: keyspace, Timeout: 20 * time.Second, SealAfter: -1}
}

// find plays a plot with the bug, in which the checker must find a violation of
// a class, and without it, in which it must find nothing.
func (s site) find(t *testing.T, want Class, play func(*plot)) {
	for _, planted := range []bool{true, false} {
		t.Run(map[bool]string{true: "planted", false: "not planted"}[planted], func(t *testing.T) {
			p := &plot{T: t, planted: planted, cluster: s.cluster, keyspace: s.keyspace}
			p.user = strings.ToLower(strings.NewReplacer("/", ".", "_", "").Replace(t.Name())) + "@example.org"
			play(p)
			p.judge(want)
		})
	}
}

// judge requires that the checker finds what the bug did, or nothing without
// the bug.
func (p *plot) judge(want Class, doubts ...Doubt) {
	p.mu.Lock() // hosts may still be at work in the background
	defer p.mu.Unlock()
	report := Check(p.ops, nil, doubts...)
	require.Empty(p, report.Unverified)
	if !p.planted {
		require.Empty(p, report.Violations, "%s", report)
		return
	}
	require.Positive(p, p.harmful, "the bug did nothing")
	found := report.Of(want)
	require.NotEmpty(p, found, "%s", report)
	for _, v := range found {
		p.Logf("%s: %s", v.Class, v.Text)
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

// seals has mail come and go until the mailbox is sealed beyond the present
// moment. The letters are those from the n-th on.
func (p *plot) seals(w *Worker, n int) {
	p.Helper()
	tables := storetest.Tables{T: p, CQL: p.cluster.Session(p, "dc1"), Keyspace: p.keyspace}
	id, now := p.mailboxOf(w.Store.Session()), time.Now().UnixMicro()
	p.eventually("the seal reaches beyond all that was delivered", func() bool {
		p.removes(w, p.delivers(w, p.letter(n, 100))...)
		n++
		for _, row := range tables.Ledger(id) {
			if row.Until > now {
				return true
			}
		}
		return false
	})
}

// indexes writes the entry of a message into the index, and its bucket into the
// ledger, on every replica.
func (p *plot) indexes(db *gocql.Session, session *cassandra.Session, m Message) {
	p.Helper()
	mailbox, id := p.mailboxOf(session), idOf(p, m)
	require.NoError(p, db.Query("INSERT INTO "+p.keyspace+".projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
		[16]byte(mailbox), id.Bucket(), [16]byte(id), m.Size, id.Timestamp()).Consistency(gocql.All).Exec())
	require.NoError(p, db.Query("INSERT INTO "+p.keyspace+".ledger (mailbox_id, bucket) VALUES (?, ?) USING TIMESTAMP 1",
		[16]byte(mailbox), id.Bucket()).Consistency(gocql.All).Exec())
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

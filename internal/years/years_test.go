package years

import (
	"crypto/rand"
	"flag"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

var full = flag.Bool("years.full", false, "all the mail of five years, which takes an hour")

const (
	day   = 24 * time.Hour
	month = 30 * day
	year  = 365 * day
)

// habit is how a mailbox is used.
type habit struct {
	name    string
	every   time.Duration // a message comes
	session time.Duration // and somebody lists them, and removes those that do not stay
	scale   int           // how much rarer both are, unless -years.full is set
	crowd   int           // Config.BucketMessages
	seal    int           // Config.SealAfter
	stays   func(number int, age time.Duration) bool

	steady bool // there is always about as much mail

	// An opening takes at most so many times the time of one of a mailbox that
	// never had other mail than it has now.
	bound float64
}

var habits = []habit{
	{
		name: "drained daily", every: day / 30, session: day, scale: 1, bound: 1.5, steady: true,
		stays: func(int, time.Duration) bool { return false },
	},
	{
		name: "left for 14 days", every: day / 30, session: day, scale: 1, bound: 1.5,
		stays: func(_ int, age time.Duration) bool { return age < 14*day },
	},
	{
		name: "one of 200 stays", every: time.Hour / 200, session: time.Hour, scale: 168, bound: 3,
		stays: func(number int, _ time.Duration) bool { return number%200 == 0 },
	},
	{
		// 100 a second, and a session each minute; but a ten thousandth of the
		// messages, and of those that make a bucket narrower and that ask for a
		// look.
		name: "journal", every: 100 * time.Second, session: 10 * time.Minute, scale: 36, crowd: 20, seal: 1, bound: 1.5, steady: true,
		stays: func(int, time.Duration) bool { return false },
	},
}

func TestMain(m *testing.M) {
	debug.SetGCPercent(400) // there is much that lives long
	os.Exit(m.Run())
}

// P7: what a delivery and an opening cost after five years is what they cost in
// the beginning; an opening costs what it costs a mailbox which never had
// anything else; the ledger and the partitions do not grow with the mail that
// is gone.
func TestP7FiveYears(t *testing.T) {
	slow.Test(t, "five years")
	if slow.RaceDetector() {
		t.Skip("with the race detector it takes ten times as long: .ci/run runs it without")
	}
	for _, h := range habits {
		t.Run(h.name, func(t *testing.T) {
			if !*full {
				h.every *= time.Duration(h.scale)
				h.session *= time.Duration(h.scale)
				h.crowd /= 4
			}
			before := rand.Reader
			defer func() { rand.Reader = before }()
			rand.Reader = mathrand.NewChaCha8([32]byte{1})
			synctest.Test(t, func(t *testing.T) { fiveYears(t, h) })
		})
	}
}

func fiveYears(t *testing.T, h habit) {
	l := newLife(t, h)
	defer l.close()
	l.live(month)
	first := l.took()
	t.Logf("month 1: %s", first)
	l.live(year - month)
	var last report
	for n := 1; ; n++ {
		last = l.took()
		t.Logf("year %d: %s", n, last)
		if n == 5 {
			break
		}
		l.live(year)
	}
	require.LessOrEqual(t, last.delivery.time(), first.delivery.time()*12/10, "a delivery")
	if h.steady {
		require.LessOrEqual(t, last.opening.time(), first.opening.time()*12/10, "an opening")
	}
	require.LessOrEqual(t, last.opening.time().Seconds(), h.bound*last.fresh.time().Seconds(), "an opening, and one of a fresh mailbox")
	require.LessOrEqual(t, last.ledger, first.ledger*12/10+len(l.buckets())+2, "rows of the ledger")
}

// life is a mailbox as time goes on.
type life struct {
	*testing.T
	habit
	calm  *calm
	store *cassandra.Store

	number    map[cassandra.MessageID]int // of the messages that are there
	passed    int
	next      time.Time // session
	compacted time.Time

	delivery mean
	openings []opening // the last ones
	report   int
}

type opening struct {
	cost     Cost
	took     time.Duration
	messages int
}

const user = "anna@example.org"

func newLife(t *testing.T, h habit) *life {
	l := &life{T: t, habit: h, calm: newCalm(), number: make(map[cassandra.MessageID]int)}
	config := cassandra.Config{Hosts: []string{"calm"}, LocalDC: dc, Keyspace: keyspace, BucketMessages: h.crowd, SealAfter: h.seal}
	require.NoError(t, cassandra.Migrate(l.calm.context(), config, cassandra.Replication{dc: 1}))
	session, err := cassandra.Connect(l.calm.context(), config)
	require.NoError(t, err)
	l.store, err = cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	time.Sleep(8 * day) // the replication is new, and nothing is proven for a week
	l.next = time.Now().Add(h.session)
	return l
}

func (l *life) close() { require.NoError(l, l.store.Close(l.Context())) }

// live lets time pass.
func (l *life) live(d time.Duration) {
	l.delivery = mean{}
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(l.every)
		l.deliver()
		if !time.Now().Before(l.next) {
			l.visit()
			l.next = l.next.Add(l.session)
		}
		if time.Since(l.compacted) > 3*day {
			l.calm.compact()
			l.compacted = time.Now()
		}
	}
}

func (l *life) parse(text string) cassandra.MessageID {
	id, err := cassandra.ParseMessageID(text)
	require.NoError(l, err)
	return id
}

// buckets returns those of the messages that are there.
func (l *life) buckets() map[int64]bool {
	all := make(map[int64]bool)
	for id := range l.number {
		all[id.Bucket()] = true
	}
	return all
}

func (l *life) deliver() {
	done := l.measure()
	m, err := storetest.TryDeliver(l.Context(), l.store, user, storetest.Body(l.passed))
	require.NoError(l, err)
	l.delivery.add(done())
	l.number[l.parse(m.ID)] = l.passed
	l.passed++
}

// visit is a session that lists the mailbox and removes what does not stay.
func (l *life) visit() {
	o, mb, messages := l.list(user)
	require.Len(l, messages, len(l.number), "P1, P3")
	if l.openings = append(l.openings, o); len(l.openings) > 100 {
		l.openings = l.openings[1:]
	}
	var gone []string
	for _, m := range messages {
		if id := l.parse(m.ID); !l.stays(l.number[id], time.Since(id.Time())) {
			gone = append(gone, m.ID)
			delete(l.number, id)
		}
	}
	if len(gone) > 0 {
		require.NoError(l, mb.Delete(l.Context(), gone))
	}
	require.NoError(l, mb.Close())
	time.Sleep(10 * time.Second) // until all is purged, and proven if it is to be
	synctest.Wait()
}

func (l *life) list(user string) (opening, mailbox.Mailbox, []mailbox.Message) {
	done := l.measure()
	mb, err := l.store.Open(l.Context(), mailbox.Login{User: user})
	require.NoError(l, err)
	messages, err := mailbox.List(l.Context(), mb)
	require.NoError(l, err)
	cost, took := done()
	return opening{cost, took, len(messages)}, mb, messages
}

// measure returns a function that returns what was spent since, and how long it
// took.
func (l *life) measure() func() (Cost, time.Duration) {
	spent, began := l.calm.spent, time.Now()
	return func() (Cost, time.Duration) { return l.calm.spent.minus(spent), time.Since(began) }
}

// report is what the mailbox costs.
type report struct {
	passed, messages int
	delivery         mean // since the last report
	opening          mean // of the last hundred
	fresh            mean // an opening of a mailbox that never had other mail
	ledger           int  // rows, tombstones too
	largest          [3]string
}

func (r report) String() string {
	return fmt.Sprintf("%d messages passed, %d are there\n\ta delivery: %s\n\tan opening: %s\n\tof a fresh mailbox: %s\n\trows of the ledger: %d; largest partitions: %v",
		r.passed, r.messages, r.delivery, r.opening, r.fresh, r.ledger, r.largest)
}

func (l *life) took() report {
	r := report{passed: l.passed, delivery: l.delivery}
	for _, o := range l.openings {
		r.opening.add(o.cost, o.took)
		r.messages += o.messages
	}
	r.messages /= max(1, len(l.openings))
	l.report++
	fresh := fmt.Sprintf("fresh%d@example.org", l.report)
	for n := range r.messages {
		storetest.Deliver(l, l.store, fresh, storetest.Body(n))
	}
	o, mb, messages := l.list(fresh)
	require.Len(l, messages, r.messages)
	r.fresh.add(o.cost, o.took)
	require.NoError(l, mb.Close())
	node := l.calm.cluster.Nodes()[0]
	r.ledger, _ = node.Largest("ledger")
	for i, table := range []string{"ledger", "projection", "mailbox_message"} {
		rows, octets := node.Largest(table)
		r.largest[i] = fmt.Sprintf("%s %d rows, %d octets", table, rows, octets)
	}
	return r
}

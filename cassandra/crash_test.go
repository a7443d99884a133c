package cassandra_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// crash is what the process of a host is told that is killed with SIGKILL. It is
// this same test program, started again; it delivers or removes, and kills itself
// at one of its steps: when the n-th statement is answered, or around a call of
// the index. It prints a line for each acknowledgement that it gets.
type crash struct {
	Config storetest.Handover
	Do     string // "append", "undo" or "delete"
	User   string
	Body   string
	IDs    []string // to delete
	At     int      // kill when so many statements are answered; 0: at none of them
	Index  string   // kill "before" or "after" the first call of the index
}

func die() {
	self, _ := os.FindProcess(os.Getpid())
	self.Kill()
	select {} // until the signal arrives
}

// dyingIndex kills the process around its first call.
type dyingIndex struct {
	cassandra.Index
	crash
}

func (d dyingIndex) around(call func() error) error {
	if d.crash.Index == "before" {
		die()
	}
	err := call()
	if d.crash.Index == "after" {
		die()
	}
	if d.Do == "undo" {
		return errFault
	}
	return err
}

func (d dyingIndex) Added(ctx context.Context, m cassandra.MailboxID, e cassandra.Entry) error {
	return d.around(func() error { return d.Index.Added(ctx, m, e) })
}

func (d dyingIndex) Removed(ctx context.Context, m cassandra.MailboxID, ids []cassandra.MessageID) error {
	if d.Do != "delete" {
		return d.Index.Removed(ctx, m, ids)
	}
	return d.around(func() error { return d.Index.Removed(ctx, m, ids) })
}

// doCrash is what the process does.
func doCrash(c crash) error {
	ctx := context.Background()
	var armed atomic.Bool
	var seen atomic.Int64
	config := c.Config.Config()
	config.Observer = func(cassandra.Observation) {
		if armed.Load() && seen.Add(1) == int64(c.At) {
			die()
		}
	}
	session, err := cassandra.Connect(ctx, config)
	if err != nil {
		return err
	}
	store, err := cassandra.NewStore(session, dyingIndex{projection.New(session), c})
	if err != nil {
		return err
	}
	if c.Do == "delete" {
		mb, err := store.Open(ctx, mailbox.Login{User: c.User})
		if err != nil {
			return err
		}
		defer mb.Close()
		if _, err := mailbox.List(ctx, mb); err != nil {
			return err
		}
		armed.Store(true)
		if err := mb.Delete(ctx, c.IDs); err == nil {
			fmt.Println("ACK quit")
		}
	} else {
		armed.Store(true)
		if m, err := storetest.TryDeliver(ctx, store, c.User, c.Body); err == nil {
			fmt.Println("ACK", m.ID)
		}
	}
	if err := store.Close(ctx); err != nil { // what the session leaves to the background has steps, too
		return err
	}
	fmt.Println("DONE", seen.Load())
	return nil
}

// run runs the process to its end. It returns what the process had acknowledged,
// and whether it was not killed.
func (c crash) run(t testing.TB) (acknowledged string, done bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := child.ForTest(ctx, t, "crash", c).CombinedOutput()
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "ACK "); ok {
			acknowledged = rest
		}
		done = done || strings.HasPrefix(lines.Text(), "DONE")
	}
	if !done {
		require.ErrorContains(t, err, "killed", "%s", out)
	}
	return acknowledged, done
}

// moments are the moments at which a process is killed: around the call of the
// index, and at each statement until there are no more.
func moments(t *testing.T, most int, try func(t *testing.T, at int, index string) (done bool)) {
	for _, index := range []string{"before", "after"} {
		t.Run(index+" the index", func(t *testing.T) {
			t.Parallel()
			require.False(t, try(t, 0, index))
		})
	}
	t.Run("at each statement", func(t *testing.T) {
		t.Parallel()
		for n := 1; ; n++ {
			done := false
			t.Run(fmt.Sprint(n), func(t *testing.T) { done = try(t, n, "") })
			if done {
				require.GreaterOrEqual(t, n-1, most, "this many statements there are at least")
				return
			}
			if t.Failed() || n > 50 {
				t.Fatal("no end of it")
			}
		}
	})
}

// P1: the process is killed between each two steps of a delivery. What it had
// acknowledged is listed; what it had not is wholly there or not at all, at the
// latest after a repair; and the sender's retry is listed.
func TestP1ProcessKilledInDelivery(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	tables := storetest.TablesOf(t, cluster, config)
	check := storetest.NewStore(t, storetest.Later(config))
	sender := storetest.NewStore(t, config)
	past := config
	past.Now = func() time.Time { return time.Now().Add(-2 * month) }
	past.Horizon = aLife
	pastSender := storetest.NewStore(t, past)
	for _, test := range []struct {
		name, do, body string
		first          bool // of its bucket
		statements     int
	}{
		{"small", "append", storetest.Body(1), false, 4},               // content, membership, index, ledger
		{"small, first", "append", storetest.Body(1), true, 5},         // and the row of the bucket
		{"chunked", "append", storetest.BigBody(1, 100<<10), false, 8}, // 4 chunks, what completes them, and the same
		{"undone", "undo", storetest.Body(2), false, 8},                // as small, and the four steps of a removal
		{"undone, first", "undo", storetest.Body(2), true, 9},
		{"chunked, undone", "undo", storetest.BigBody(2, 70<<10), false, 10},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			moments(t, test.statements, func(t *testing.T, at int, index string) bool {
				user := fmt.Sprintf("%s-%d-%s@example.org", strings.ReplaceAll(test.name, ", ", "-"), at, index)
				earlier, elsewhere := sender, 0
				if test.first {
					earlier, elsewhere = pastSender, 1
				}
				before := storetest.Deliver(t, earlier, user, storetest.Body(100))
				acknowledged, done := crash{Config: storetest.HandOver(config), Do: test.do, User: user, Body: test.body, At: at, Index: index}.run(t)
				killed := killedDelivery{store: check, user: user, before: before.ID, acknowledged: acknowledged, body: test.body}
				listed := killed.list(t)
				if acknowledged == "" {
					killed.retry = storetest.Deliver(t, sender, user, test.body).ID
				}
				left := killed.repair(t)
				if done && test.do == "undo" {
					require.Empty(t, acknowledged)
					require.Len(t, left, 2)
					require.Empty(t, listed)
				}
				require.Equal(t, len(left)-elsewhere, tables.Members(check, user, bucketNow(t, check)))
				require.Equal(t, len(left)-elsewhere, tables.Entries(check, user, bucketNow(t, check)))
				return done
			})
		})
	}
}

// killedDelivery is a mailbox to which a process was delivering when it was
// killed.
type killedDelivery struct {
	store        *cassandra.Store
	user         string
	before       string // the ID of a message that was there before, Body(100)
	acknowledged string // the ID of the delivery; "" if it was not acknowledged
	retry        string // the ID of the sender's retry, if there was one
	body         string
}

// list returns what is listed of the delivery.
func (k killedDelivery) list(t *testing.T) map[string]string {
	t.Helper()
	found := storetest.Readable(t, k.store, k.user)
	require.Equal(t, storetest.Body(100), found[k.before], "P1: mail from before")
	delete(found, k.before)
	if k.acknowledged != "" {
		require.Equal(t, k.body, found[k.acknowledged], "P1: acknowledged and lost")
	}
	require.LessOrEqual(t, len(found), 1)
	return found
}

// repair repairs the mailbox and returns what is listed then.
func (k killedDelivery) repair(t *testing.T) map[string]string {
	t.Helper()
	report := storetest.Mend(t, k.store, k.user, cassandra.NotListed, cassandra.NotRemoved, cassandra.NotComplete)
	found := storetest.Readable(t, k.store, k.user)
	require.Equal(t, storetest.Body(100), found[k.before])
	if k.acknowledged != "" {
		require.Equal(t, k.body, found[k.acknowledged])
	} else {
		require.Equal(t, k.body, found[k.retry], "the sender's retry")
	}
	require.Equal(t, len(found), report.Messages-incomplete(report), "what is in the mailbox is listed")
	for id, text := range found {
		require.Contains(t, []string{storetest.Body(100), k.body}, text, id)
	}
	return found
}

// incomplete counts the messages whose content is not complete.
func incomplete(report cassandra.Report) (n int) {
	for _, f := range report.Findings {
		if f.Kind == cassandra.NotComplete {
			n++
		}
	}
	return n
}

// P3, P4: the process is killed between each two steps of a removal. The other
// messages are there. Each message that it removes is wholly there or wholly
// gone; after +OK it is gone; and once gone it stays gone, also after repairs.
func TestP3ProcessKilledInRemoval(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.ChunkSize = 16 << 10
	tables := storetest.TablesOf(t, cluster, config)
	check := storetest.NewStore(t, storetest.Later(config))
	sender := storetest.NewStore(t, config)
	// the mark, the index, three contents, the memberships
	moments(t, 6, func(t *testing.T, at int, index string) bool {
		user := fmt.Sprintf("u%d%s@example.org", at, index)
		bodies := map[string]string{}
		var ids []string
		for i, text := range []string{storetest.Body(1), storetest.BigBody(5, 100<<10), storetest.Body(3), storetest.Body(4), storetest.Body(5)} {
			m := storetest.Deliver(t, sender, user, text)
			bodies[m.ID] = text
			if i < 3 {
				ids = append(ids, m.ID)
			}
		}
		acknowledged, done := crash{Config: storetest.HandOver(config), Do: "delete", User: user, IDs: ids, At: at, Index: index}.run(t)

		found := storetest.Readable(t, check, user)
		gone := map[string]bool{}
		for id, text := range bodies {
			switch got, listed := found[id]; {
			case listed:
				require.Equal(t, text, got)
			default:
				require.Contains(t, ids, id, "P1: its removal was not asked for")
				gone[id] = true
			}
		}
		if acknowledged != "" {
			require.Len(t, gone, len(ids), "P3: removed and listed again")
		}
		storetest.Mend(t, check, user, cassandra.NotRemoved)
		found = storetest.Readable(t, check, user)
		for id := range gone {
			require.NotContains(t, found, id, "P3: what was gone is back")
		}
		require.Equal(t, len(found), tables.Members(check, user, bucketNow(t, check)))
		require.Equal(t, len(found), tables.Entries(check, user, bucketNow(t, check)))
		require.Len(t, found, 2, "the mark was the first step: the repair finished what it began")
		for _, id := range ids {
			require.Zero(t, tables.Count("SELECT count(*) FROM KS.message WHERE message_id = ?", id), "its content is purged")
		}
		return done
	})
}

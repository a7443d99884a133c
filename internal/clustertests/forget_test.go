package clustertests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// P1: one node was down while mail was acknowledged, and nobody keeps hints.
// Another one loses its disk, and is replaced by a node that takes over the data
// of the first. So one replica alone has the mail. Whatever the library does
// then, nothing of it turns "one replica still has it" into "gone": no repair
// purges the mail, no session is told that it does not exist, no proof hides it,
// and after nodetool repair -full everything is there. The same of a node that
// is killed in the middle of it all, and forgets the last moment of what it had
// acknowledged, as nodes with the default commit log do.
func TestP1OneReplicaForgets(t *testing.T) {
	slow.Test(t, "three nodes, of which one is replaced")
	t.Parallel()
	f := newForgetful(t)
	f.deliverWithout("dc1-2")
	f.replace("dc1-3", "dc1-2")
	t.Run("P1 repair while the last replica is down", f.repairWithoutTheLast)
	t.Run("P2 a miss", f.miss)
	t.Run("P1 a proof", f.prove)
	t.Run("P1 after nodetool repair", f.everythingIsThere)
	t.Run("P1 a replica is killed", f.killed)
}

// forgetful is three nodes, and what was acknowledged in them.
type forgetful struct {
	*testing.T
	cluster *cassandratest.Cluster
	config  cassandra.Config
	store   *cassandra.Store
	tables  storetest.Tables
	first   map[string]string            // by user: a message that every node has
	mail    map[string]map[string]string // by user and ID: what one node has
}

const forgetfulUsers = 12

func newForgetful(t *testing.T) *forgetful {
	settings := map[string]any{"hinted_handoff_enabled": false}
	f := &forgetful{T: t, first: make(map[string]string), mail: make(map[string]map[string]string)}
	f.cluster = cassandratest.Start(t, cassandratest.Topology{DCs: []cassandratest.DC{{Name: "dc1", Nodes: 3}}, Private: true, Settings: settings})
	f.config = storetest.Migrate(t, f.cluster)
	f.config.Horizon = time.Second
	f.config.SealAfter = 1
	f.store = storetest.NewStore(t, f.config)
	f.tables = storetest.TablesOf(t, f.cluster, f.config)
	for n := range forgetfulUsers {
		user := f.user(n)
		f.first[user] = storetest.Deliver(t, f.store, user, storetest.Body(n)).ID
		f.mail[user] = make(map[string]string)
	}
	return f
}

func (f *forgetful) user(n int) string { return fmt.Sprintf("user%d@example.org", n) }

func (f *forgetful) wake(node string) {
	f.Helper()
	ctx, cancel := context.WithTimeout(f.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(f, f.cluster.Boot(ctx, node))
	require.NoError(f, f.cluster.Settle(ctx))
}

// stop stops a node, which forgets nothing.
func (f *forgetful) stop(node string) {
	f.Helper()
	require.NoError(f, f.cluster.Shutdown(node))
	require.NoError(f, f.cluster.Settle(f.Context()))
}

// deliverWithout delivers two messages to each user while a node is down.
func (f *forgetful) deliverWithout(node string) {
	f.Helper()
	f.stop(node)
	for n := range 2 * forgetfulUsers {
		user, body := f.user(n%forgetfulUsers), storetest.Body(100+n)
		f.mail[user][storetest.Deliver(f, f.store, user, body).ID] = body
	}
	f.wake(node)
}

// replace puts a new disk into a node, with what another one has: as a node
// that is replaced streams each range from one source.
func (f *forgetful) replace(node, source string) {
	f.Helper()
	_, err := f.cluster.NodeTool(f.Context(), source, "flush", f.config.Keyspace)
	require.NoError(f, err)
	f.stop(node)
	home := func(name string) string { return filepath.Join(f.cluster.Dir, "nodes", name) }
	require.NoError(f, os.RemoveAll(filepath.Join(home(node), "commitlog")))
	tables := filepath.Join("data", f.config.Keyspace)
	require.NoError(f, os.RemoveAll(filepath.Join(home(node), tables)))
	require.NoError(f, os.CopyFS(filepath.Join(home(node), tables), os.DirFS(filepath.Join(home(source), tables))))
	f.wake(node)
}

// repairWithoutTheLast lists the mail of half of the users, which copies their
// listings to the other nodes, and repairs everything while the last replica of
// their mail is down.
func (f *forgetful) repairWithoutTheLast(t *testing.T) {
	for n := range forgetfulUsers / 2 {
		storetest.Eventually(t, "a listing reads the last replica", func() bool {
			return len(storetest.List(t, f.store, f.user(n))) == 3
		})
	}
	f.stop("dc1-1")
	for n := range 3 {
		report, err := f.store.Repair(t.Context(), f.user(n), cassandra.RepairOptions{Confirm: 10 * time.Millisecond, RemoveIncomplete: true})
		require.NoError(t, err)
		require.Len(t, report.Findings, 2, "two messages of which the two other nodes have the listing only")
		require.Equal(t, 2, report.Postponed, "nothing is judged gone while a replica is down")
		require.Zero(t, report.Mended())
	}
	f.wake("dc1-1")
}

// miss reads all mail before anything is repaired. It is either there, or not
// there yet; or a session that asks the two nodes that forgot does not list it.
func (f *forgetful) miss(t *testing.T) {
	for user, mail := range f.mail {
		mb := storetest.Open(t, f.store, user)
		for id, body := range mail {
			text, err := storetest.Read(t.Context(), mb, id)
			if err != nil {
				require.NotErrorIs(t, err, mailbox.ErrNotFound, "P2: one replica has it")
				require.ErrorIs(t, err, mailbox.ErrTemporary)
				continue
			}
			require.Equal(t, body, text)
		}
	}
}

// prove removes the first message of each user, and waits for the seal.
func (f *forgetful) prove(t *testing.T) {
	for n := range forgetfulUsers {
		user := f.user(n)
		box, _, err := f.store.Mailbox(user)
		require.NoError(t, err)
		id, err := cassandra.ParseMessageID(f.first[user])
		require.NoError(t, err)
		before := f.tables.Ledger(box)[id.Bucket()].Until
		require.NoError(t, storetest.Open(t, f.store, user).Delete(t.Context(), []string{f.first[user]}))
		storetest.Eventually(t, "a seal", func() bool {
			storetest.Open(t, f.store, user) // it reads nothing, and wants again a proof that had to wait
			return f.tables.Ledger(box)[id.Bucket()].Until > before
		})
	}
}

func (f *forgetful) repairCluster(t *testing.T) {
	for _, node := range f.cluster.Nodes {
		_, err := f.cluster.NodeTool(t.Context(), node.Name, "repair", "-full", f.config.Keyspace)
		require.NoError(t, err)
	}
}

func (f *forgetful) everythingIsThere(t *testing.T) {
	f.repairCluster(t)
	for user, mail := range f.mail {
		require.Equal(t, mail, storetest.Readable(t, f.store, user))
	}
	progress, err := storetest.NewStore(t, storetest.Later(f.config)).VerifyAll(t.Context(), cassandra.ScanOptions{
		Found: func(r cassandra.Report) { t.Errorf("%s: %s %s", r.User, r.Findings[0].Kind, r.Findings[0].ID) },
	})
	require.NoError(t, err)
	require.Equal(t, 2*forgetfulUsers, progress.Messages)
}

// killed has mail delivered to two nodes, one of which is killed. It comes back
// without the last of what it has acknowledged; the third node never had it.
func (f *forgetful) killed(t *testing.T) {
	for n := range forgetfulUsers {
		f.first[f.user(n)] = storetest.Deliver(t, f.store, f.user(n), storetest.Body(n)).ID
	}
	f.stop("dc1-2")
	var mail mailed
	var senders sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for sender := range 16 {
		senders.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				user, body := f.user((sender+n)%forgetfulUsers), storetest.Body(1000*sender+n)
				m, err := storetest.TryDeliver(ctx, f.store, user, body)
				if err != nil {
					continue // the node is dead; a sender would try again
				}
				mail.add(user, m.ID, body)
			}
		})
	}
	// More in a mailbox would not be worth a seal.
	storetest.Eventually(t, "mail flows", func() bool { return mail.total() > 10*forgetfulUsers })
	require.NoError(t, f.cluster.Kill("dc1-3"))
	cancel()
	senders.Wait()
	f.wake("dc1-3")
	f.wake("dc1-2")
	t.Logf("%d were acknowledged", mail.total())
	f.prove(t)
	f.repairCluster(t)
	for n := range forgetfulUsers {
		user := f.user(n)
		found := storetest.Readable(t, f.store, user)
		for id, body := range mail.of(user) {
			require.Equal(t, body, found[id], "P1: %s of %s", id, user)
		}
	}
}

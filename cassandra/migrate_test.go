package cassandra_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
)

// unmigrated returns the configuration of a keyspace that does not exist yet.
func unmigrated(t testing.TB) (*cassandratest.Cluster, cassandra.Config, cassandra.Replication) {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	dc := cluster.DCs[0]
	return cluster, cassandra.Config{
		Hosts: cluster.Hosts(dc.Name), LocalDC: dc.Name, Keyspace: cluster.KeyspaceName(t), Timeout: 10 * time.Second,
	}, cassandra.Replication{dc.Name: min(3, dc.Nodes)}
}

// settingsOf reads the row of the settings.
func settingsOf(t testing.TB, session *gocql.Session, keyspace string) map[string]any {
	t.Helper()
	row := map[string]any{}
	require.NoError(t, session.Query("SELECT version, bucket_seconds, namespace, canonicaliser FROM "+keyspace+".settings").MapScan(row))
	return row
}

func TestMigrateTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	before := settingsOf(t, raw, config.Keyspace)
	require.EqualValues(t, 30*24*3600, before["bucket_seconds"])
	require.Equal(t, "lower-nfc", before["canonicaliser"])
	m := storetest.Deliver(t, storetest.NewStore(t, config), "bob", storetest.Body(1))
	for range 2 {
		require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	}
	require.Equal(t, before, settingsOf(t, raw, config.Keyspace))
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, storetest.NewStore(t, config), "bob"))

	// The settings can be written again. Mailboxes keep their IDs.
	require.NoError(t, raw.Query("TRUNCATE "+config.Keyspace+".settings").Exec())
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	require.Equal(t, before, settingsOf(t, raw, config.Keyspace))
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, storetest.NewStore(t, config), "bob"))
}

// A keyspace that another version of the schema made is refused, and nothing is
// added to it: an empty ledger beside the old one would hide all of its mail.
func TestMigrateRefusesAnotherVersion(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	require.NoError(t, raw.Query("UPDATE "+config.Keyspace+".settings USING TIMESTAMP 3 SET version = 1 WHERE id = 'popcask'").Exec())
	require.NoError(t, raw.Query("DROP TABLE "+config.Keyspace+".ledger").Exec())
	const refusal = "the keyspace has version 1 of the schema, this program wants 2"
	require.ErrorContains(t, cassandra.Migrate(t.Context(), config, replication), refusal)
	require.Error(t, raw.Query("SELECT kind FROM "+config.Keyspace+".ledger").Exec(), "there is no such table")
}

// Several hosts migrate at the same time, and get the same settings: those with
// which the first of them returned, so that a host which has connected already
// loses no mail.
func TestMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	migrateAtTheSameTime(t, config, replication)
	for range 3 { // and hosts that find the tables, but no settings yet
		require.NoError(t, cluster.Session(t, "").Query("TRUNCATE "+config.Keyspace+".settings").Exec())
		migrateAtTheSameTime(t, config, replication)
	}
}

func migrateAtTheSameTime(t *testing.T, config cassandra.Config, replication cassandra.Replication) {
	t.Helper()
	var mu sync.Mutex
	mailboxes := make(map[cassandra.MailboxID]int)
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			// The schema may change while the slower hosts migrate.
			var err error
			for range 5 {
				if err = cassandra.Migrate(t.Context(), config, replication); err == nil {
					break
				}
				t.Logf("migrate: %v", err)
			}
			if err != nil {
				t.Errorf("migrate: %v", err)
				return
			}
			session, err := cassandra.Connect(t.Context(), config)
			if err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			defer session.Close()
			id, _, err := session.Mailbox("bob")
			if err != nil {
				t.Errorf("mailbox: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			mailboxes[id]++
		})
	}
	group.Wait()
	require.Len(t, mailboxes, 1, "a mailbox has one ID, whichever host migrated")
}

// The case of a keyspace's name does not matter, as in CQL without quotes.
func TestKeyspaceInAnyCase(t *testing.T) {
	t.Parallel()
	_, config, replication := unmigrated(t)
	lower := config
	config.Keyspace = strings.ToUpper(config.Keyspace)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	m := storetest.Deliver(t, storetest.NewStore(t, config), "bob", storetest.Body(1))
	require.Equal(t, []string{m.ID}, storetest.ListIDs(t, storetest.NewStore(t, lower), "bob"))
}

func TestMigrateErrors(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	dc := config.LocalDC
	raw := cluster.Session(t, "")
	fails := func(change func(*cassandra.Config), replication cassandra.Replication, want string, args ...any) {
		t.Helper()
		c := config
		change(&c)
		require.EqualError(t, cassandra.Migrate(t.Context(), c, replication), "cassandra: migrate: "+fmt.Sprintf(want, args...))
	}
	same := func(*cassandra.Config) {}
	const badName = "keyspace %q: want a letter, then letters, digits or _, 48 characters at most"
	for _, name := range []string{"", "1mail", "_mail", "mail-1", "mail; DROP KEYSPACE x", `"mail"`, "mäil", strings.Repeat("x", 49)} {
		fails(func(c *cassandra.Config) { c.Keyspace = name }, replication, badName, name)
	}
	fails(same, nil, "no replication given: name each data centre and its replicas, as in dc1:3,dc2:3")
	fails(same, cassandra.Replication{"paris": 3}, "replication paris:3: the cluster has no data centre %q: it has %s", "paris", dc)
	fails(func(c *cassandra.Config) { c.LocalDC = "" }, replication,
		"no local data centre given: the driver would use any, and LOCAL_QUORUM would mean a remote one")
	fails(func(c *cassandra.Config) { c.LocalDC = "pariss" }, replication, "the cluster has no data centre %q: it has %s", "pariss", dc)
	fails(func(c *cassandra.Config) { c.Hosts = nil }, replication, "no hosts given")
	fails(func(c *cassandra.Config) { c.Bucket = -time.Second }, replication, "Config.Bucket is -1s: want whole seconds")
	fails(func(c *cassandra.Config) { c.Bucket = 1500 * time.Millisecond }, replication, "Config.Bucket is 1.5s: want whole seconds")
	fails(func(c *cassandra.Config) { c.Bucket = time.Millisecond }, replication, "Config.Bucket is 1ms: want whole seconds")

	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	fails(same, cassandra.Replication{dc: 2}, "keyspace %s has the replication %s, not %s:2: to change it, use ALTER KEYSPACE and then repair the cluster",
		config.Keyspace, replication, dc)
	fails(func(c *cassandra.Config) { c.Bucket = time.Hour }, replication,
		"Config.Bucket is 1h0m0s, the keyspace was created with 720h0m0s: leave it 0 to use that")
	fails(func(c *cassandra.Config) { c.CanonicalName = "mine" }, replication,
		`Config.CanonicalName is "mine", the keyspace was created with "lower-nfc": mail for one user would end up in two mailboxes`)

	simple := cluster.KeyspaceName(t)
	require.NoError(t, raw.Query("CREATE KEYSPACE "+simple+" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}").Exec())
	c := config
	c.Keyspace = simple
	require.ErrorContains(t, cassandra.Migrate(t.Context(), c, replication), "keyspace "+simple+" has the replication ")
}

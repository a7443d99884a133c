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
	require.NoError(t, session.Query("SELECT version, namespace, canonicaliser FROM "+keyspace+".settings").MapScan(row))
	return row
}

func TestMigrateTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	before := settingsOf(t, raw, config.Keyspace)
	require.EqualValues(t, 3, before["version"])
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
	require.NoError(t, raw.Query("UPDATE "+config.Keyspace+".settings USING TIMESTAMP 4 SET version = 1 WHERE id = 'popcask'").Exec())
	require.NoError(t, raw.Query("DROP TABLE "+config.Keyspace+".ledger").Exec())
	const refusal = "the keyspace has version 1 of the schema, this program wants 3"
	require.ErrorContains(t, cassandra.Migrate(t.Context(), config, replication), refusal)
	require.Error(t, raw.Query("SELECT bucket FROM "+config.Keyspace+".ledger").Exec(), "there is no such table")
}

// A keyspace as version 2 made it is refused by its version, whatever host
// finds it: its buckets have a width of their own, and its ledger has gaps.
func TestAKeyspaceOfVersion2IsRefused(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	for _, statement := range []string{
		"DROP TABLE KS.settings", "DROP TABLE KS.ledger", "DROP TABLE KS.uidl",
		"CREATE TABLE KS.settings (id text PRIMARY KEY, version int, bucket_seconds bigint, namespace uuid, canonicaliser text, replication text, replication_since bigint)",
		"CREATE TABLE KS.ledger (mailbox_id uuid, kind text, start bigint, until bigint, owner timeuuid, user text static, PRIMARY KEY ((mailbox_id), kind, start))",
		"INSERT INTO KS.settings (id, version, bucket_seconds, namespace, canonicaliser) VALUES ('popcask', 2, 2592000, 5a8d1b8c-24b1-5d3c-9b61-0f0f8e3c1a11, 'lower-nfc') USING TIMESTAMP 2",
	} {
		require.NoError(t, raw.Query(strings.ReplaceAll(statement, "KS", config.Keyspace)).Exec(), statement)
	}
	const refusal = "the keyspace has version 2 of the schema, this program wants 3"
	require.ErrorContains(t, cassandra.Migrate(t.Context(), config, replication), refusal)
	_, err := cassandra.Connect(t.Context(), config)
	require.ErrorContains(t, err, refusal)
	require.Error(t, raw.Query("SELECT bucket FROM "+config.Keyspace+".ledger").Exec(), "nothing was added")
	require.Error(t, raw.Query("SELECT uidl FROM "+config.Keyspace+".uidl").Exec(), "nothing was added")
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

	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	fails(same, cassandra.Replication{dc: 2}, "keyspace %s has the replication %s, not %s:2: to change it, use ALTER KEYSPACE and then repair the cluster",
		config.Keyspace, replication, dc)
	fails(func(c *cassandra.Config) { c.CanonicalName = "mine" }, replication,
		`Config.CanonicalName is "mine", the keyspace was created with "lower-nfc": mail for one user would end up in two mailboxes`)

	simple := cluster.KeyspaceName(t)
	require.NoError(t, raw.Query("CREATE KEYSPACE "+simple+" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}").Exec())
	c := config
	c.Keyspace = simple
	require.ErrorContains(t, cassandra.Migrate(t.Context(), c, replication), "keyspace "+simple+" has the replication ")
}

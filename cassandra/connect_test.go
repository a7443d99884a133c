package cassandra_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/storetest"
)

func TestConnectErrors(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	dc, keyspace := config.LocalDC, config.Keyspace
	raw := cluster.Session(t, "")
	fails := func(change func(*cassandra.Config), want string, args ...any) {
		t.Helper()
		c := config
		change(&c)
		session, err := cassandra.Connect(t.Context(), c)
		require.EqualError(t, err, "cassandra: connect: "+fmt.Sprintf(want, args...))
		require.Nil(t, session)
	}
	same := func(*cassandra.Config) {}
	fails(same, "keyspace %q: the keyspace does not exist: create it with cassandra.Migrate", keyspace)
	require.NoError(t, raw.Query("CREATE KEYSPACE "+keyspace+" WITH replication = {'class': 'NetworkTopologyStrategy', "+cluster.Replication()+"}").Exec())
	_, err := cassandra.Connect(t.Context(), config)
	require.ErrorContains(t, err, "cassandra: connect: keyspace "+keyspace+" has no table ")
	require.ErrorContains(t, err, ": create it with cassandra.Migrate")

	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	for _, table := range []string{"message", "mailbox_message", "projection", "ledger", "uidl", "settings"} {
		require.NoError(t, raw.Query("DROP TABLE "+keyspace+"."+table).Exec())
		fails(same, "keyspace %s has no table %s: create it with cassandra.Migrate", keyspace, table)
		require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
		storetest.Connect(t, config)
	}
	require.NoError(t, raw.Query("ALTER TABLE "+keyspace+".mailbox_message DROP uidl").Exec())
	fails(same, "table %s.mailbox_message has no column uidl: it was not made by cassandra.Migrate", keyspace)
	require.NoError(t, raw.Query("DROP TABLE "+keyspace+".mailbox_message").Exec())
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))

	fails(func(c *cassandra.Config) { c.LocalDC = "pariss" }, "the cluster has no data centre %q: it has %s", "pariss", dc)
	fails(func(c *cassandra.Config) { c.LocalDC = "" }, "no local data centre given: the driver would use any, and LOCAL_QUORUM would mean a remote one")
	fails(func(c *cassandra.Config) { c.Hosts = nil }, "no hosts given")
	fails(func(c *cassandra.Config) { c.Keyspace = "" }, `keyspace "": want a letter, then letters, digits or _, 48 characters at most`)
	fails(func(c *cassandra.Config) { c.CanonicalName = "mine" },
		`Config.CanonicalName is "mine", the keyspace was created with "lower-nfc": mail for one user would end up in two mailboxes`)

	dead := unusedAddress(t)
	_, err = cassandra.Connect(t.Context(), cassandra.Config{Hosts: []string{dead}, LocalDC: dc, Keyspace: keyspace})
	require.ErrorContains(t, err, "cassandra: connect: no node of "+dead+" answers: ")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = cassandra.Connect(ctx, config)
	require.ErrorIs(t, err, context.Canceled)

	require.NoError(t, raw.Query("UPDATE "+keyspace+".settings USING TIMESTAMP 4 SET version = 99 WHERE id = 'popcask'").Exec())
	fails(same, "the keyspace has version 99 of the schema, this program wants 3")
	require.NoError(t, raw.Query("TRUNCATE "+keyspace+".settings").Exec())
	fails(same, "keyspace %s has no settings: write them with cassandra.Migrate", keyspace)
}

// A keyspace without replicas in the data centre of the host is an error.
func TestConnectWithoutReplicas(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	require.NoError(t, raw.Query("ALTER KEYSPACE "+config.Keyspace+" WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}").Exec())
	_, err := cassandra.Connect(t.Context(), config)
	require.ErrorContains(t, err, "keyspace "+config.Keyspace+" has no replicas in data centre "+config.LocalDC)
}

// unusedAddress returns an address at which nothing listens.
func unusedAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

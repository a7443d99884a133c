package cassandra_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// The limits in Config: a delivery at the limit is accepted. One above it is
// refused for good, and leaves nothing.
func TestLimitsOfADelivery(t *testing.T) {
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := storetest.Migrate(t, cluster)
	config.MaxMessageSize = 1000
	config.MaxRecipients = 2
	store := storetest.NewStore(t, config)
	message := func(size int) string { return "\r\n" + strings.Repeat("x", size-4) + "\r\n" }

	for _, size := range []int{1001, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1 << 17, 1 << 20} {
		_, err := storetest.TryDeliver(t.Context(), store, "bob", message(size))
		require.ErrorIs(t, err, mailbox.ErrTooLarge, "%d octets", size)
		require.NotErrorIs(t, err, mailbox.ErrTemporary)
	}
	// The size is that of the canonical form, with the recipient's header.
	_, err := storetest.TryDeliver(t.Context(), store, "bob", strings.Repeat("\n", 501))
	require.ErrorIs(t, err, mailbox.ErrTooLarge)
	results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: "bob", Header: "X: y\r\n"}, {User: "eve"},
	}}, strings.NewReader(message(1000)))
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, mailbox.ErrTooLarge)
	require.NoError(t, results[1].Err)
	require.NoError(t, storetest.Open(t, store, "eve").Delete(t.Context(), []string{results[1].ID}))

	_, err = store.Append(t.Context(), mailbox.To("a", "b", "c"), strings.NewReader(storetest.Body(1)))
	require.ErrorContains(t, err, "3 recipients, the limit is 2")
	storetest.CloseStore(t, store)
	requireEmpty(t, cluster, config, storetest.NewStore(t, config), "bob")

	none := config
	none.MaxMessageSize, none.MaxRecipients, none.Window, none.ChunkSize = -1, -1, 1, 1
	storetest.Deliver(t, storetest.NewStore(t, none), "bob", message(1<<16+10))
	most := config
	most.ChunkSize = 256<<10 + 1
	_, err = cassandra.Connect(t.Context(), most)
	require.ErrorContains(t, err, "Config.ChunkSize is 262145 octets: want 1 to 262144")
}

// Numbers in Config that have no meaning are errors of Connect, not panics
// later.
func TestConfigWithImpossibleNumbers(t *testing.T) {
	t.Parallel()
	config := newKeyspace(t)
	for want, change := range map[string]func(*cassandra.Config){
		"Config.ChunkSize is -1 octets":     func(c *cassandra.Config) { c.ChunkSize = -1 },
		"Config.ChunkSize is 262145 octets": func(c *cassandra.Config) { c.ChunkSize = 256<<10 + 1 },
		"Config.Horizon is -1h0m0s":         func(c *cassandra.Config) { c.Horizon = -time.Hour },
		"Config.Expire is -1h0m0s: want":    func(c *cassandra.Config) { c.Expire = -time.Hour },
		"Config.Expire is 59m59s: want Config.Horizon, 1h0m0s": func(c *cassandra.Config) {
			c.Expire = time.Hour - time.Second
		},
		"Config.Connections is -1":     func(c *cassandra.Config) { c.Connections = -1 },
		"Config.Timeout is -1s":        func(c *cassandra.Config) { c.Timeout = -time.Second },
		"Config.ConnectTimeout is -1s": func(c *cassandra.Config) { c.ConnectTimeout = -time.Second },
		"Config.BucketMessages is -1":  func(c *cassandra.Config) { c.BucketMessages = -1 },
		"Config.ProofWorkers is -1":    func(c *cassandra.Config) { c.ProofWorkers = -1 },
	} {
		c := config
		change(&c)
		_, err := cassandra.Connect(t.Context(), c)
		require.ErrorContains(t, err, "cassandra: connect: "+want)
	}
	for _, change := range []func(*cassandra.Config){ // these have a meaning, or do no harm
		func(c *cassandra.Config) { c.Window = -1 },
		func(c *cassandra.Config) { c.PurgeQueue = -1 },
		func(c *cassandra.Config) { c.PurgeWorkers = -1 },
		func(c *cassandra.Config) { c.Retries = -1 },
		func(c *cassandra.Config) { c.MaxMessageSize = -1 },
		func(c *cassandra.Config) { c.MaxRecipients = -1 },
		func(c *cassandra.Config) { c.SealAfter = -1 },
		func(c *cassandra.Config) { c.SealAfter = 1 },
		func(c *cassandra.Config) { c.BucketMessages, c.ProofWorkers = 1, 1 },
	} {
		c := config
		change(&c)
		store := storetest.NewStore(t, c)
		m := storetest.Deliver(t, store, "bob", strings.Repeat("x\r\n", 50_000))
		mb := storetest.Open(t, store, "bob")
		_, err := storetest.Read(t.Context(), mb, m.ID)
		require.NoError(t, err)
		require.NoError(t, mb.Delete(t.Context(), []string{m.ID}))
	}
}

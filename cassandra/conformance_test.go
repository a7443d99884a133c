package cassandra_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
	"github.com/popcask/popcask/projection"
)

// The conformance kit, on a real node.
func TestConformance(t *testing.T) {
	config := storetest.Migrate(t, cassandratest.Start(t, cassandratest.Topology{}))
	session := storetest.Connect(t, config)
	mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
		newStore := func(t testing.TB) mailbox.Store {
			store, err := cassandra.NewStore(session, projection.New(session))
			require.NoError(t, err)
			return store
		}
		return mailboxtest.Harness{Store: newStore(t), Reopen: newStore}
	})
}

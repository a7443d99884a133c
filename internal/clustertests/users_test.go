package clustertests

import (
	"crypto"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/cassandra/users"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
)

// Two data centres change the same users, at the same moment and one after the
// other, while neither hears the other. Each goes on with its own; then both
// have the same: the later change of each value, and of a Disable and an Enable
// of one moment the first. P9: there are no lightweight transactions.
func TestUsersOfTwoDataCentres(t *testing.T) {
	slow.Test(t, "two nodes that cannot hear each other")
	t.Parallel()
	cluster := cassandratest.Start(t, cassandratest.Topology{
		DCs:      []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		Settings: map[string]any{"phi_convict_threshold": 5, "hints_flush_period": "1000ms"},
		Private:  true,
		WAN:      true,
	})
	config := storetest.Migrate(t, cluster)
	moment := time.Now()
	config.Now = func() time.Time { return moment } // the same on both sides
	require.NoError(t, users.Migrate(t.Context(), storetest.Connect(t, config)))
	var sides [2]*users.Users
	for i, dc := range []string{"dc1", "dc2"} {
		u, err := users.New(t.Context(), storetest.Connect(t, storetest.In(config, cluster, dc)), users.Options{})
		require.NoError(t, err)
		sides[i] = u
	}
	keys := func(password string) secret.Secret {
		k, err := secret.NewSCRAM(crypto.SHA256, password, 0)
		require.NoError(t, err)
		return secret.Keys(k)
	}
	logsIn := func(side int, user, password string) bool {
		name, err := sides[side].Authenticate(t.Context(), mailbox.Login{User: user, Password: password})
		if err != nil {
			assert.ErrorIs(t, err, mailbox.ErrAuthFailed)
			return false
		}
		return assert.Equal(t, user, name)
	}
	all := []string{"secret", "state", "disabled", "later", "alias"}
	for _, user := range all {
		everywhere, err := sides[0].Set(t.Context(), user, keys("old"))
		require.NoError(t, err)
		require.True(t, everywhere)
	}
	require.True(t, logsIn(1, "secret", "old"))

	link := cluster.Link("dc1", "dc2")
	require.NoError(t, link.Cut())
	local := func(everywhere bool, err error) {
		t.Helper()
		require.NoError(t, err)
		require.False(t, everywhere, "a data centre cannot be reached")
	}
	moment = moment.Add(time.Second)
	for i, u := range sides {
		mine := fmt.Sprint("new of ", i)
		local(u.Set(t.Context(), "secret", keys(mine)))
		require.True(t, logsIn(i, "secret", mine), "the other data centre is away")
		require.False(t, logsIn(i, "secret", "old"))
		require.True(t, logsIn(i, "later", "old"))
	}
	local(sides[0].Disable(t.Context(), "state"))
	local(sides[1].Enable(t.Context(), "state"))
	require.False(t, logsIn(0, "state", "old"))
	local(sides[0].Disable(t.Context(), "disabled"))
	local(sides[1].Set(t.Context(), "disabled", keys("new")))
	require.True(t, logsIn(1, "disabled", "new"))
	local(sides[0].SetAlias(t.Context(), "sales", "alias"))
	local(sides[1].SetAlias(t.Context(), "sales", "later"))
	local(sides[0].Set(t.Context(), "later", keys("first")))
	moment = moment.Add(time.Second)
	local(sides[1].Set(t.Context(), "later", keys("second")))

	require.NoError(t, link.Heal())
	require.NoError(t, cluster.Settle(t.Context()))
	storetest.Eventually(t, "both sides have the same", func() bool {
		return logsIn(0, "later", "second") && !logsIn(1, "disabled", "new") &&
			logsIn(0, "secret", "new of 0") == logsIn(1, "secret", "new of 0") && logsIn(0, "secret", "new of 1") == logsIn(1, "secret", "new of 1")
	})
	for i := range sides {
		require.False(t, logsIn(i, "state", "old"), "Disable wins over Enable")
		require.False(t, logsIn(i, "disabled", "new"), "who is disabled stays disabled")
		require.True(t, logsIn(i, "later", "second"))
		require.False(t, logsIn(i, "later", "first"))
		require.NotEqual(t, logsIn(i, "secret", "new of 0"), logsIn(i, "secret", "new of 1"), "one of the two")
		name, err := sides[i].Lookup(t.Context(), "sales")
		require.NoError(t, err)
		require.Equal(t, "later", name, "the larger value of one moment")
	}
}

package driver

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gocql/gocql"
)

// errRule says that a setting of the driver would break a promise of the store.
var errRule = errors.New("Config.Cluster")

// checkRules returns an error that names the first setting of the host which
// would break a promise, and why. before is the configuration that the host was
// given.
func checkRules(cluster, before *gocql.ClusterConfig, config Config) error {
	for _, rule := range []struct {
		broken bool
		field  string
		why    string
	}{
		{cluster.DefaultTimestamp, "DefaultTimestamp", "a retried write would be newer than the deletion of what it writes: every statement has a timestamp of its own"},
		{cluster.Consistency != before.Consistency, "Consistency", "every statement has a consistency level of its own"},
		{cluster.SerialConsistency != before.SerialConsistency, "SerialConsistency", "there are no lightweight transactions"},
		{cluster.RetryPolicy != nil, "RetryPolicy", "the driver's policies may lower the consistency level: use Config.Retries"},
		{cluster.HostFilter != nil, "HostFilter", "the store talks only to nodes of Config.LocalDC"},
		{cluster.PoolConfig.HostSelectionPolicy != nil, "PoolConfig.HostSelectionPolicy", "LOCAL_QUORUM would mean the data centre of whichever node is asked"},
		{cluster.DisableInitialHostLookup, "DisableInitialHostLookup", "the data centre of a node would not be known"},
		{cluster.Keyspace != before.Keyspace, "Keyspace", "use Config.Keyspace"},
		{!slices.Equal(cluster.Hosts, before.Hosts), "Hosts", "use Config.Hosts"},
		{cluster.ProtoVersion != before.ProtoVersion, "ProtoVersion", "the store reads the driver's answers as those of protocol 4"},
		{config.Observe != nil && (cluster.QueryObserver != nil || cluster.BatchObserver != nil), "QueryObserver or BatchObserver", "Config.Observer takes its place: set one of them"},
	} {
		if rule.broken {
			return fmt.Errorf("%w must not set %s: %s", errRule, rule.field, rule.why)
		}
	}
	return nil
}

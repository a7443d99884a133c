package cassandra

import (
	"context"
	"fmt"
)

// Ready tells whether the store can do its work now: nil where a quorum of the
// local data centre answers and the keyspace is what this program needs. It is
// for the readiness probe of a load balancer; it costs one read, and ends with
// ctx.
//
// For the liveness probe there is nothing to ask: that the process answers is
// enough. A store that has lost its cluster connects again by itself, also where
// the nodes have come back at other addresses (see Config.Hosts), and a restart
// would only cut clients off.
func (s *Session) Ready(ctx context.Context) error {
	settings, err := readSettings(ctx, s.db)
	if err == nil && settings == nil {
		err = fmt.Errorf("keyspace %s has no settings", s.config.Keyspace)
	}
	if err == nil {
		err = settings.check(s.config)
	}
	if err == nil && *settings != s.settings {
		err = fmt.Errorf("the settings of the keyspace %s are others than they were", s.config.Keyspace)
	}
	if err != nil {
		return fmt.Errorf("cassandra: not ready: %w", err)
	}
	return nil
}

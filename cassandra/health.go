package cassandra

import (
	"context"
	"fmt"
)

// Ready returns nil if the store can do its work now: if a quorum of the local
// data centre answers, and the keyspace is what this program needs. It is for
// the readiness probe of a load balancer. It costs one read, and ends with ctx.
//
// A liveness probe needs no more than an answer of the process. A session that
// has lost its cluster connects again by itself, even if the nodes come back at
// other addresses (see [Config.Hosts]); a restart would only cut clients off.
func (s *Session) Ready(ctx context.Context) error {
	settings, err := readSettings(ctx, s.db)
	if err == nil && settings == nil {
		err = fmt.Errorf("keyspace %s has no settings", s.config.Keyspace)
	}
	if err == nil {
		err = settings.check(s.config)
	}
	if err == nil && *settings != s.settings {
		err = fmt.Errorf("the settings of the keyspace %s have changed", s.config.Keyspace)
	}
	if err != nil {
		return fmt.Errorf("cassandra: not ready: %w", err)
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/projection"
)

// openCassandra makes the tables, if the flags say so, and opens the store.
func openCassandra(ctx context.Context, o options, log *slog.Logger) (*cassandra.Store, error) {
	config := cassandra.Config{
		Hosts:          strings.Split(o.cassandra, ","),
		LocalDC:        o.dc,
		Keyspace:       o.keyspace,
		MaxMessageSize: -1, // -max-size is the limit, which counts octets as received
		OnError:        func(err error) { log.Warn("cassandra: in the background", "error", err) },
	}
	if o.createSchema != nil {
		log.Info("cassandra: making the keyspace and its tables, unless they exist", "keyspace", o.keyspace, "replication", o.createSchema.String())
		if err := cassandra.Migrate(ctx, config, o.createSchema); err != nil {
			return nil, fmt.Errorf("-create-schema: %w", err)
		}
	}
	store, err := cassandra.Open(ctx, config, projection.New)
	switch {
	case err != nil && o.store == "": // a command
		return nil, fmt.Errorf("%w (the flags are -cassandra, -dc and -keyspace)", err)
	case err != nil:
		return nil, fmt.Errorf("-store cassandra: %w (the flags are -cassandra, -dc, -keyspace and, once, -create-schema)", err)
	}
	return store, nil
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/projection"
)

// openCassandra makes the tables, if the flags say so, and opens the store.
func openCassandra(ctx context.Context, o options, log *slog.Logger) (*cassandra.Store, error) {
	config, err := o.nodes.config()
	if err != nil {
		return nil, err
	}
	config.MaxMessageSize = -1 // -max-size is the limit, which counts octets as received
	config.Expire = o.retention()
	config.OnError = func(err error) { log.Warn("cassandra: in the background", "error", err) }
	if o.createSchema != nil {
		log.Info("cassandra: making the keyspace and its tables, unless they exist", "keyspace", o.keyspace, "replication", o.createSchema.String())
		if err := cassandra.Migrate(ctx, config, o.createSchema); err != nil {
			return nil, explain("-create-schema: ", err, "")
		}
	}
	store, err := cassandra.Open(ctx, config, projection.New)
	switch {
	case err != nil && o.store == "": // a command
		return nil, explain("", err, "the flags are -cassandra, -dc and -keyspace")
	case err != nil:
		return nil, explain("-store cassandra: ", err, "the flags are -cassandra, -dc, -keyspace and, once, -create-schema")
	}
	if config.Username != "" && config.TLS == nil {
		log.Warn("cassandra: the password goes to the nodes in the clear: see -cassandra-ca")
	}
	return store, nil
}

// explain adds to an error of Cassandra where it comes from, and which flags it
// is about: if it is not about TLS or the login, these.
func explain(from string, err error, flags string) error {
	flags = cmp.Or(about(err), flags)
	if flags == "" {
		return fmt.Errorf("%s%w", from, err)
	}
	return fmt.Errorf("%s%w (%s)", from, err, flags)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// cassandraStore is the store together with its connection.
type cassandraStore struct {
	*cassandra.Store
	session *cassandra.Session
}

// openCassandra makes the tables, if the flags say so, and opens the store.
func openCassandra(ctx context.Context, o options, log *slog.Logger) (*cassandraStore, error) {
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
	session, err := cassandra.Connect(ctx, config)
	switch {
	case err != nil && o.store == "": // a command
		return nil, fmt.Errorf("%w (the flags are -cassandra, -dc and -keyspace)", err)
	case err != nil:
		return nil, fmt.Errorf("-store cassandra: %w (the flags are -cassandra, -dc, -keyspace and, once, -create-schema)", err)
	}
	store, err := cassandra.NewStore(session, projection.New(session))
	if err != nil {
		session.Close()
		return nil, err
	}
	return &cassandraStore{store, session}, nil
}

// Close closes the store and then its connection.
func (s *cassandraStore) Close(ctx context.Context) error {
	defer s.session.Close()
	return s.Store.Close(ctx)
}

// isEmpty reports whether a user has no mail.
func isEmpty(ctx context.Context, s mailbox.Store, user string) (empty bool, err error) {
	mb, err := s.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, mb.Close()) }()
	for _, err := range mb.Messages(ctx) {
		return false, err
	}
	return true, nil
}

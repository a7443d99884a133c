package driver

import (
	"context"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// Connection is a connection to a cluster: [cql.DB], and what the store needs
// besides. A [Session] is one. It is safe for concurrent use.
type Connection interface {
	cql.DB

	// DataCentres returns the number of nodes in each data centre of the cluster,
	// those that are down included.
	DataCentres() map[string]int

	// Tables returns the columns of each table of a keyspace, sorted, and the
	// keyspace's replication. Its error is ErrNoKeyspace if there is no such
	// keyspace.
	Tables(ctx context.Context, keyspace string) (tables map[string][]string, replication map[string]string, err error)

	// TableID returns the ID that the cluster gave a table when it was created.
	// No other table has it, not even one of the same name.
	TableID(ctx context.Context, keyspace, table string) ([16]byte, error)

	// Define runs a statement that changes the schema, and waits until all
	// nodes agree on it.
	Define(ctx context.Context, statement string) error

	// Clock reads the clock of one node.
	Clock(ctx context.Context) (time.Time, error)

	// Close closes the connections. Statements that are under way fail.
	Close()
}

var _ Connection = (*Session)(nil)

type connectKey struct{}

// WithConnect returns a context with which [Open] calls connect, and gocql is
// not used: for a cluster that is simulated.
func WithConnect(ctx context.Context, connect func(context.Context, Config) (Connection, error)) context.Context {
	return context.WithValue(ctx, connectKey{}, connect)
}

// Open is [Connect], or the function of [WithConnect] if ctx has one.
func Open(ctx context.Context, config Config) (Connection, error) {
	if connect, ok := ctx.Value(connectKey{}).(func(context.Context, Config) (Connection, error)); ok {
		return connect(ctx, config)
	}
	session, err := Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return session, nil
}

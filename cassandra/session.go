package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
)

// connection is what a session needs of a cluster.
type connection interface {
	cql.DB

	// DataCentres names the data centres of the cluster, sorted.
	DataCentres(ctx context.Context) ([]string, error)

	// Tables returns the columns of each table of a keyspace, sorted, and the
	// keyspace's replication. It fails with [driver.ErrNoKeyspace].
	Tables(ctx context.Context, keyspace string) (tables map[string][]string, replication map[string]string, err error)

	// TableID is what the cluster gave a table when it was made: no other table
	// has it, not even one of the same name.
	TableID(ctx context.Context, keyspace, table string) ([16]byte, error)

	// Define runs a statement of the schema, and waits until all nodes agree on
	// it.
	Define(ctx context.Context, statement string) error

	// Clock reads the clock of a node.
	Clock(ctx context.Context) (time.Time, error)

	// Close closes the connections. What is under way fails.
	Close()
}

// Session is a connection to the local data centre of a cluster, and what the
// keyspace says of itself. A host has one, and gives it to the store and to the
// index. It is safe for concurrent use.
type Session struct {
	cluster connection
	db      cql.DB   // the cluster, or what Config.Wrap made of it
	config  Config   // with the defaults filled in, and the keyspace's settings
	tableID [16]byte // of the table of the settings: another keyspace has another one
	settings
}

// Connect connects to a keyspace that [Migrate] has made. A cluster that does
// not answer, a data centre or a keyspace that does not exist, a table or a
// column that is missing, a setting that differs from the keyspace's: the error
// names it and says what to do.
func Connect(ctx context.Context, config Config) (*Session, error) {
	if !legalKeyspace.MatchString(config.Keyspace) {
		return nil, fmt.Errorf("cassandra: connect: keyspace %q: want a letter, and letters, digits and _ behind it, 48 at most", config.Keyspace)
	}
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("cassandra: connect: %w", err)
	}
	config = config.withDefaults()
	s := &Session{config: config}
	settings := config.driver()
	settings.Check = func(ctx context.Context, cluster *driver.Session) error { return s.checkConnection(ctx, cluster) }
	cluster, err := driver.Connect(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("cassandra: connect: %w", hint(err))
	}
	s.cluster, s.db = cluster, cluster
	if config.Wrap != nil {
		s.db = config.Wrap(cluster)
	}
	return s, nil
}

// checkConnection looks at the keyspace behind a connection: the first time whether
// it is what this program needs, later whether it is still that one.
func (s *Session) checkConnection(ctx context.Context, cluster connection) error {
	settings, err := checkKeyspace(ctx, cluster, s.config)
	if err != nil {
		return err
	}
	id, err := cluster.TableID(ctx, s.config.Keyspace, "settings")
	switch {
	case err != nil:
		return err
	case s.tableID == [16]byte{}:
		s.tableID, s.settings = id, *settings
	case id != s.tableID || *settings != s.settings:
		return fmt.Errorf("the keyspace %s that is there now is another one than before, of another cluster or made anew, and is not used", s.config.Keyspace)
	}
	return nil
}

// hint says what to do about a keyspace that is not there.
func hint(err error) error {
	if errors.Is(err, driver.ErrNoKeyspace) {
		return fmt.Errorf("%w: create it with cassandra.Migrate", err)
	}
	return err
}

// checkKeyspace compares the keyspace with what this program needs, and reads
// its settings.
func checkKeyspace(ctx context.Context, cluster connection, config Config) (*settings, error) {
	tables, replication, err := cluster.Tables(ctx, config.Keyspace)
	if err != nil {
		return nil, err
	}
	for table, columns := range schemaTables() {
		there, ok := tables[table]
		if !ok {
			return nil, fmt.Errorf("keyspace %s has no table %s: create it with cassandra.Migrate", config.Keyspace, table)
		}
		for _, column := range columns {
			if !slices.Contains(there, column) {
				return nil, fmt.Errorf("table %s.%s has no column %s: it was not made by cassandra.Migrate", config.Keyspace, table, column)
			}
		}
	}
	if n := replication[config.LocalDC]; n == "" || n == "0" {
		return nil, fmt.Errorf("keyspace %s has no replicas in data centre %s: its replication is %v", config.Keyspace, config.LocalDC, replication)
	}
	settings, err := readSettings(ctx, cluster)
	if err != nil {
		return nil, err
	}
	if settings == nil {
		return nil, fmt.Errorf("keyspace %s has no settings: write them with cassandra.Migrate", config.Keyspace)
	}
	return settings, settings.check(config)
}

// Close closes the connections. The stores that use the session are closed
// before.
func (s *Session) Close() { s.cluster.Close() }

// DB reads and writes tables of the keyspace, with the store's retries and
// reconnection: it is for an [Index], which has tables of its own.
func (s *Session) DB() cql.DB { return s.db }

// Define runs a statement of the schema, such as CREATE TABLE IF NOT EXISTS, and
// waits until all nodes agree on it. Run it from one place at a time, before the
// hosts start: two nodes that create one table at the same moment may give it two
// identities. Every table must have read_repair = 'BLOCKING' (the default), and
// gc_grace_seconds of ten days, as the store's tables have.
func (s *Session) Define(ctx context.Context, statement string) error {
	if err := s.cluster.Define(ctx, statement); err != nil {
		return fmt.Errorf("cassandra: define: %w", err)
	}
	return nil
}

// Now is the session's clock.
func (s *Session) Now() time.Time { return s.config.Now() }

// Mailbox computes the mailbox of a user, whose name need not be canonical.
func (s *Session) Mailbox(user string) (id MailboxID, canonical string, err error) {
	canonical, err = s.config.Canonical(user)
	if err != nil {
		return MailboxID{}, "", err
	}
	return mailboxIDOf(s.namespace, canonical, s.config.Generation(canonical)), canonical, nil
}

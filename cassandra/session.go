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

// What [Connect], [Open] and [Migrate] say of nodes that answer and take no
// connection. The text of the error has the node and the cause. It is also told
// to [Config.OnError], if it happens later: after a change of the password, say.
var (
	// ErrLogin says that a node refuses the user name or the password, or
	// demands them and there are none.
	ErrLogin = driver.ErrLogin

	// ErrTLS says that the certificate of a node does not fit [Config.TLS], or
	// that a node ended the connection, as it does if it demands TLS, or a
	// certificate of its clients.
	ErrTLS = driver.ErrTLS
)

// Session is a connection to the local data centre of a cluster, together with
// the settings of the keyspace. It is safe for concurrent use.
//
// A host has one session, which the store and the index share. For an [Index]
// it has [Session.DB] and [Session.Define] for its tables, and
// [Session.TooOld] and [Session.Mailbox], which read nothing.
type Session struct {
	cluster  driver.Connection
	db       cql.DB   // the cluster, or what Config.Wrap made of it
	config   Config   // with the defaults
	tableID  [16]byte // of the settings table: another keyspace has another one
	compared comparison
	settings
}

// Connect connects to a keyspace that [Migrate] has created. Its error names
// what is wrong and says what to do: if the cluster does not answer, if the
// data centre, the keyspace, a table or a column does not exist, if a setting
// differs from that of the keyspace, or if a node refuses the connection
// ([ErrLogin], [ErrTLS]).
func Connect(ctx context.Context, config Config) (*Session, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("cassandra: connect: %w", err)
	}
	config = config.withDefaults()
	s := &Session{config: config}
	settings := config.driver()
	settings.Check = s.checkConnection
	cluster, err := driver.Open(ctx, settings)
	if errors.Is(err, driver.ErrNoKeyspace) {
		err = fmt.Errorf("%w: create it with cassandra.Migrate", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cassandra: connect: %w", err)
	}
	s.cluster, s.db = cluster, cluster
	if config.Wrap != nil {
		s.db = config.Wrap(cluster)
	}
	return s, nil
}

// checkConnection checks the keyspace of a new connection: that it is what this
// program needs and, if the connection replaces one, that it is the same
// keyspace.
func (s *Session) checkConnection(ctx context.Context, cluster driver.Connection) error {
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
		return fmt.Errorf("the keyspace %s is not the same as before: it is of another cluster, or was created again", s.config.Keyspace)
	}
	return nil
}

// checkKeyspace checks that the keyspace has what this program needs, and
// returns its settings.
func checkKeyspace(ctx context.Context, cluster driver.Connection, config Config) (*settings, error) {
	tables, replication, err := cluster.Tables(ctx, config.Keyspace)
	if err != nil {
		return nil, err
	}
	if tables["settings"] != nil { // the version says more than what is missing
		if there, err := readSettings(ctx, cluster); err == nil && there != nil && there.version != schemaVersion {
			return nil, there.check(config)
		}
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

// Close closes the connections. Close the stores that use the session first.
func (s *Session) Close() { s.cluster.Close() }

// DB returns what an [Index] reads and writes its tables with. It is the DB
// that the store itself uses, with its retries and its reconnection.
func (s *Session) DB() cql.DB { return s.db }

// Define runs a statement that changes the schema, such as CREATE TABLE IF NOT
// EXISTS, and waits until all nodes agree on it. It is for the tables of an
// [Index]; the store's own tables are created by [Migrate].
//
// Call it from one place at a time, before the hosts start: if two nodes create
// one table at the same moment, it may get two identities. Every table needs
// read_repair = 'BLOCKING' (the default) and gc_grace_seconds = 864000, as the
// tables of the store have.
func (s *Session) Define(ctx context.Context, statement string) error {
	if err := s.cluster.Define(ctx, statement); err != nil {
		return fmt.Errorf("cassandra: define: %w", err)
	}
	return nil
}

// Now returns the time by [Config.Now].
func (s *Session) Now() time.Time { return s.config.Now() }

// Mailbox returns the ID of a user's mailbox, and the canonical form of the
// user's name. It reads nothing: the ID is computed from the name, and the
// mailbox need not exist. A name that no user can have is
// [mailbox.ErrNoSuchUser].
func (s *Session) Mailbox(user string) (id MailboxID, canonical string, err error) {
	canonical, err = s.config.Canonical(user)
	if err != nil {
		return MailboxID{}, "", err
	}
	return mailboxIDOf(s.namespace, canonical, s.config.Generation(canonical)), canonical, nil
}

package cassandra

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popcask/popcask/internal/cql"
)

// Session is a connection to the local data centre of a cluster, and what the
// keyspace says of itself. A host has one, and gives it to the store and to the
// index. It is safe for concurrent use.
type Session struct {
	db     *cql.Session
	config Config // with the defaults filled in, and the keyspace's settings
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
	db, err := cql.Connect(ctx, config.driver())
	if err != nil {
		return nil, fmt.Errorf("cassandra: connect: %w", hint(err))
	}
	s := &Session{db: db, config: config}
	if err := s.checkKeyspace(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("cassandra: connect: %w", hint(err))
	}
	return s, nil
}

// hint says what to do about a keyspace that is not there.
func hint(err error) error {
	if errors.Is(err, cql.ErrNoKeyspace) {
		return fmt.Errorf("%w: create it with cassandra.Migrate", err)
	}
	return err
}

// checkKeyspace compares the keyspace with what this program needs.
func (s *Session) checkKeyspace(ctx context.Context) error {
	tables, replication, err := s.db.Tables(ctx, s.config.Keyspace)
	if err != nil {
		return err
	}
	for table, columns := range schemaTables() {
		there, ok := tables[table]
		if !ok {
			return fmt.Errorf("keyspace %s has no table %s: create it with cassandra.Migrate", s.config.Keyspace, table)
		}
		for _, column := range columns {
			if !slices.Contains(there, column) {
				return fmt.Errorf("table %s.%s has no column %s: it was not made by cassandra.Migrate", s.config.Keyspace, table, column)
			}
		}
	}
	if n := replication[s.config.LocalDC]; n == "" || n == "0" {
		return fmt.Errorf("keyspace %s has no replicas in data centre %s: its replication is %v", s.config.Keyspace, s.config.LocalDC, replication)
	}
	settings, err := readSettings(ctx, s.db)
	if err != nil {
		return err
	}
	if settings == nil {
		return fmt.Errorf("keyspace %s has no settings: write them with cassandra.Migrate", s.config.Keyspace)
	}
	if err := settings.check(s.config); err != nil {
		return err
	}
	s.settings = *settings
	return nil
}

// Close closes the connections. The stores that use the session are closed
// before.
func (s *Session) Close() { s.db.Close() }

// Driver is for the packages of this module that read and write tables of
// their own, projection among them.
func (s *Session) Driver() *cql.Session { return s.db }

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

// Bucket is the window of time that a message belongs to: it shares a partition
// of the listing with the others of its window.
func (s *Session) Bucket(id MessageID) int64 { return s.bucketAt(id.Time()) }

func (s *Session) bucketAt(t time.Time) int64 {
	return floorDiv(t.UnixMicro(), s.bucket.Microseconds())
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// TooOld tells whether an ID is older than half of gc_grace_seconds: the
// tombstones that would shadow what is written about it may be gone, so nothing
// may be added under it any more.
func (s *Session) TooOld(id MessageID) bool {
	return s.config.Now().Sub(id.Time()) > gcGrace/2
}

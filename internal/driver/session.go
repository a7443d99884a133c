package driver

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

// Config is how to reach a cluster. Zero values mean the defaults.
type Config struct {
	Hosts    []string // host or host:port
	LocalDC  string
	Keyspace string // "" for none, to create one
	TLS      *tls.Config
	Username string
	Password string

	ConnectTimeout time.Duration // of one connection; default 5 s
	Timeout        time.Duration // of one attempt at a statement; default 5 s
	Retries        int           // after the first attempt; default DefaultRetries, negative none
	Connections    int           // to each node; default 2

	// Cluster changes the settings of gocql. A setting that would break a
	// promise is an error of Connect. It may be nil, and is called for each
	// link.
	Cluster func(*gocql.ClusterConfig)

	Observe func(cql.Observation) // may be nil

	// Check is called with each new link before it is used: with the first one,
	// and with each that replaces one. If it returns an error, the link is not
	// used. It may be nil, and must not keep the session.
	Check func(context.Context, Connection) error

	// OnError is called with the error of each attempt to connect anew that
	// failed. It may be nil.
	OnError func(error)
}

// Session is a connection to the local data centre of a cluster. It is safe for
// concurrent use. If all nodes are lost, it connects anew.
type Session struct {
	link    atomic.Pointer[link]
	renewal *renewal // nil in a session for Config.Check
	retries int
	observe func(cql.Observation)

	noEachQuorum atomic.Bool // the engine refuses it for reads: see [Session.reading]
}

// Connect connects to a cluster. Its error says what is missing: an answer, the
// data centre or the keyspace, and what the cluster has instead; or why a node
// refuses the connection (ErrLogin, ErrTLS).
func Connect(ctx context.Context, config Config) (*Session, error) {
	switch {
	case len(config.Hosts) == 0:
		return nil, errors.New("no hosts given")
	case config.LocalDC == "":
		return nil, errors.New("no local data centre given: the driver would use any, and LOCAL_QUORUM would mean a remote one")
	}
	first, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	s := sessionOn(first, config)
	s.renewal = newRenewal(
		func(ctx context.Context) (*link, error) { return connect(ctx, config) },
		func(fresh *link) *link { return s.link.Swap(fresh) },
		config.OnError)
	return s, nil
}

// sessionOn returns a session that uses this link, and never another.
func sessionOn(l *link, config Config) *Session {
	s := &Session{retries: max(0, cmp.Or(config.Retries, DefaultRetries)), observe: config.Observe}
	s.link.Store(l)
	return s
}

// connect opens a link and checks it.
func connect(ctx context.Context, config Config) (*link, error) {
	l, err := open(ctx, config, true)
	var refused *refusal
	if errors.Is(err, errRule) || errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, explain(ctx, config, err)
	}
	if config.Check != nil {
		if err := config.Check(ctx, sessionOn(l, config)); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

// use calls do with the gocql session that is current. The level is that of the
// statement that do runs.
func (s *Session) use(level cql.Level, do func(*gocql.Session) error) error {
	l := s.link.Load()
	for !l.enter() { // it has just been replaced
		l = s.link.Load()
	}
	defer l.leave()
	err := do(l.x)
	if s.renewal == nil {
		return err
	}
	s.renewal.note(level, err)
	return s.renewal.explain(err)
}

// explain finds out why a link could not be opened.
func explain(ctx context.Context, config Config, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	any, err := open(ctx, config, false)
	if err != nil {
		return fmt.Errorf("no node of %s answers: %w", strings.Join(config.Hosts, ", "), err)
	}
	defer any.close()
	centres := any.members.dataCentres()
	if centres[config.LocalDC] == 0 {
		return NoDataCentre(config.LocalDC, centres)
	}
	var place *elsewhere
	if errors.As(cause, &place) {
		return cause
	}
	if config.Keyspace != "" {
		var name string
		err := any.x.Query("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", config.Keyspace).
			WithContext(ctx).Consistency(gocql.One).Scan(&name)
		if errors.Is(err, gocql.ErrNotFound) {
			return fmt.Errorf("keyspace %q: %w", config.Keyspace, ErrNoKeyspace)
		}
	}
	return cause
}

// ErrNoKeyspace says that the keyspace does not exist.
var ErrNoKeyspace = errors.New("the keyspace does not exist")

// NoDataCentre returns the error that a cluster has no data centre of this
// name, with those that it has.
func NoDataCentre(name string, centres map[string]int) error {
	return fmt.Errorf("the cluster has no data centre %q: it has %s", name, strings.Join(slices.Sorted(maps.Keys(centres)), ", "))
}

// DataCentres implements [Connection].
func (s *Session) DataCentres() map[string]int {
	return s.link.Load().members.dataCentres()
}

// Tables implements [Connection].
func (s *Session) Tables(ctx context.Context, keyspace string) (tables map[string][]string, replication map[string]string, err error) {
	err = s.use(cql.LocalQuorum, func(x *gocql.Session) error {
		err := x.Query("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", keyspace).
			WithContext(ctx).Consistency(gocql.One).Scan(&replication)
		if err != nil {
			return err
		}
		tables = make(map[string][]string)
		rows := x.Query("SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = ?", keyspace).
			WithContext(ctx).Consistency(gocql.One).Iter()
		for table, column := "", ""; rows.Scan(&table, &column); {
			tables[table] = append(tables[table], column)
		}
		return rows.Close()
	})
	if errors.Is(err, gocql.ErrNotFound) {
		err = fmt.Errorf("keyspace %q: %w", keyspace, ErrNoKeyspace)
	}
	if err != nil {
		return nil, nil, err
	}
	return tables, replication, nil
}

// TableID implements [Connection].
func (s *Session) TableID(ctx context.Context, keyspace, table string) (id [16]byte, err error) {
	var found gocql.UUID
	err = s.use(cql.LocalQuorum, func(x *gocql.Session) error {
		return x.Query("SELECT id FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?", keyspace, table).
			WithContext(ctx).Consistency(gocql.One).Scan(&found)
	})
	return found, err
}

// Define implements [Connection].
func (s *Session) Define(ctx context.Context, statement string) error {
	return s.use(cql.LocalQuorum, func(x *gocql.Session) error {
		if err := x.Query(statement).WithContext(ctx).Consistency(gocql.LocalQuorum).Exec(); err != nil {
			return err
		}
		return x.AwaitSchemaAgreement(ctx)
	})
}

// Clock implements [Connection]. A node says its time in milliseconds.
func (s *Session) Clock(ctx context.Context) (now time.Time, err error) {
	err = s.attempt(ctx, cql.LocalQuorum, func(ctx context.Context, _ int) error {
		return s.use(cql.LocalQuorum, func(x *gocql.Session) error {
			var milliseconds int64
			err := x.Query("SELECT toUnixTimestamp(now()) FROM system.local").
				WithContext(ctx).Consistency(gocql.One).Scan(&milliseconds)
			now = time.UnixMilli(milliseconds)
			return err
		})
	})
	return now, err
}

// Close closes the connections. Statements that are under way fail.
func (s *Session) Close() {
	s.renewal.close()
	s.link.Load().close()
}

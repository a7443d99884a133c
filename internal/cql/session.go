package cql

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2"
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
	Retries        int           // after the first attempt; default 3, negative none
	Connections    int           // to each node; default 2

	Observe func(Observation) // may be nil
}

// Session is a connection to the local data centre of a cluster. It is safe
// for concurrent use.
type Session struct {
	x       gocqlx.Session
	retries int
	observe func(Observation)
	tamper  func(*Call) // nil but for tests of the tests
}

// Connect connects. A cluster that cannot be reached, a data centre or a
// keyspace that does not exist: the error says which of them it is, and what
// there is instead.
func Connect(ctx context.Context, config Config) (*Session, error) {
	switch {
	case len(config.Hosts) == 0:
		return nil, errors.New("no hosts given")
	case config.LocalDC == "":
		return nil, errors.New("no local data centre given: the driver would use any, and LOCAL_QUORUM would mean a remote one")
	}
	session, err := create(ctx, config, true)
	if err != nil {
		return nil, explain(ctx, config, err)
	}
	s := &Session{x: gocqlx.NewSession(session), retries: max(0, cmp.Or(config.Retries, 3)), observe: config.Observe}
	return s, nil
}

// create opens a driver session, to one data centre or, to ask what there is,
// to any node.
func create(ctx context.Context, config Config, local bool) (*gocql.Session, error) {
	cluster := gocql.NewCluster(config.Hosts...)
	cluster.ConnectTimeout = cmp.Or(config.ConnectTimeout, 5*time.Second)
	cluster.Timeout = cmp.Or(config.Timeout, 5*time.Second)
	cluster.WriteTimeout = cluster.Timeout
	cluster.ProtoVersion = 4
	cluster.NumConns = cmp.Or(config.Connections, 2)
	cluster.DefaultTimestamp = false
	cluster.Consistency = gocql.LocalQuorum
	cluster.MaxWaitSchemaAgreement = time.Minute
	cluster.ReconnectInterval = 2 * time.Second // the driver's own minute is long for who waits for mail
	cluster.Logger = silent{}
	if config.TLS != nil {
		cluster.SslOpts = &gocql.SslOptions{Config: config.TLS, EnableHostVerification: !config.TLS.InsecureSkipVerify}
	}
	if config.Username != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: config.Username, Password: config.Password}
	}
	if local {
		cluster.Keyspace = config.Keyspace
		cluster.HostFilter = gocql.DataCentreHostFilter(config.LocalDC)
		cluster.PoolConfig.HostSelectionPolicy = &avoidSilent{HostSelectionPolicy: gocql.TokenAwareHostPolicy(
			gocql.DCAwareRoundRobinPolicy(config.LocalDC), gocql.ShuffleReplicas())}
	}
	type result struct {
		session *gocql.Session
		err     error
	}
	// The driver takes no context here.
	done := make(chan result, 1)
	go func() {
		session, err := cluster.CreateSession()
		done <- result{session, err}
	}()
	select {
	case r := <-done:
		return r.session, r.err
	case <-ctx.Done():
		go func() {
			if r := <-done; r.session != nil {
				r.session.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// silent is the driver's logger: what it has to say comes back as errors.
type silent struct{}

func (silent) Print(...any)          {}
func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// explain finds out why a connection failed.
func explain(ctx context.Context, config Config, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	any, err := create(ctx, config, false)
	if err != nil {
		return fmt.Errorf("no node of %s answers: %w", strings.Join(config.Hosts, ", "), err)
	}
	defer any.Close()
	centres, err := dataCentres(ctx, any)
	if err == nil && !slices.Contains(centres, config.LocalDC) {
		return fmt.Errorf("the cluster has no data centre %q: it has %s", config.LocalDC, strings.Join(centres, ", "))
	}
	if config.Keyspace != "" {
		var name string
		err := any.Query("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?", config.Keyspace).
			WithContext(ctx).Consistency(gocql.One).Scan(&name)
		if errors.Is(err, gocql.ErrNotFound) {
			return fmt.Errorf("keyspace %q: %w", config.Keyspace, ErrNoKeyspace)
		}
	}
	return cause
}

// ErrNoKeyspace says that the keyspace does not exist.
var ErrNoKeyspace = errors.New("the keyspace does not exist")

func dataCentres(ctx context.Context, session *gocql.Session) ([]string, error) {
	var centres []string
	for _, table := range []string{"local", "peers"} {
		rows := session.Query("SELECT data_center FROM system." + table).WithContext(ctx).Consistency(gocql.One).Iter()
		for name := ""; rows.Scan(&name); {
			centres = append(centres, name)
		}
		if err := rows.Close(); err != nil {
			return nil, err
		}
	}
	slices.Sort(centres)
	return slices.Compact(centres), nil
}

// DataCentres names the data centres of the cluster.
func (s *Session) DataCentres(ctx context.Context) ([]string, error) {
	return dataCentres(ctx, s.x.Session)
}

// Tables returns the columns of each table of a keyspace, sorted, and the
// keyspace's replication.
func (s *Session) Tables(ctx context.Context, keyspace string) (tables map[string][]string, replication map[string]string, err error) {
	err = s.x.Session.Query("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?", keyspace).
		WithContext(ctx).Consistency(gocql.One).Scan(&replication)
	if errors.Is(err, gocql.ErrNotFound) {
		return nil, nil, fmt.Errorf("keyspace %q: %w", keyspace, ErrNoKeyspace)
	}
	if err != nil {
		return nil, nil, err
	}
	tables = make(map[string][]string)
	rows := s.x.Session.Query("SELECT table_name, column_name FROM system_schema.columns WHERE keyspace_name = ?", keyspace).
		WithContext(ctx).Consistency(gocql.One).Iter()
	for table, column := "", ""; rows.Scan(&table, &column); {
		tables[table] = append(tables[table], column)
	}
	return tables, replication, rows.Close()
}

// Define runs a statement of the schema, and waits until all nodes agree on it.
func (s *Session) Define(ctx context.Context, statement string) error {
	if err := s.x.Session.Query(statement).WithContext(ctx).Consistency(gocql.LocalQuorum).Exec(); err != nil {
		return err
	}
	return s.x.Session.AwaitSchemaAgreement(ctx)
}

// Close closes the connections.
func (s *Session) Close() { s.x.Close() }

// attempt runs do until it succeeds, its error is one that will not pass, or
// the retries are used up. What do sends must be the same each time. What needs
// every data centre is tried again once only: while one of them is out of reach
// each attempt takes a time-out, and somebody may be waiting.
func (s *Session) attempt(ctx context.Context, level Level, do func() error) error {
	const first, longest = 25 * time.Millisecond, time.Second
	pause := first
	retries := s.retries
	if level == EachQuorum || level == All {
		retries = min(retries, 1)
	}
	for tries := 0; ; tries++ {
		err := do()
		if err == nil || tries == retries || !passes(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, longest)
	}
}

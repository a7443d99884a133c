package cql

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2"
)

// link is one session of the driver. A [Session] takes another one when its
// driver has lost its nodes for good; what is under way on the old one ends
// there first.
type link struct {
	x    gocqlx.Session
	stop context.CancelFunc // ends its connections, and what it dials

	mu      sync.Mutex
	users   int
	retired bool
	unused  chan struct{} // closed when it is retired and nobody uses it
}

// open opens a session of the driver, to one data centre or, to ask what there
// is, to any node.
func open(ctx context.Context, config Config, local bool) (*link, error) {
	life, stop := context.WithCancel(context.Background())
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
	cluster.Dialer = &dialer{net.Dialer{Timeout: cluster.ConnectTimeout}, life}
	if config.TLS != nil {
		cluster.SslOpts = &gocql.SslOptions{Config: config.TLS, EnableHostVerification: !config.TLS.InsecureSkipVerify}
	}
	if config.Username != "" {
		cluster.Authenticator = gocql.PasswordAuthenticator{Username: config.Username, Password: config.Password}
	}
	home := &home{dc: config.LocalDC, members: make(map[string]bool)}
	if local {
		cluster.Keyspace = config.Keyspace
		cluster.HostFilter = home
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
		if r.err != nil {
			stop()
			return nil, r.err
		}
		home.settle()
		return &link{x: gocqlx.NewSession(r.session), stop: stop, unused: make(chan struct{})}, nil
	case <-ctx.Done():
		stop()
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

// enter begins a use of the link, and fails where it is retired.
func (l *link) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retired {
		return false
	}
	l.users++
	return true
}

// leave ends a use.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users--
	if l.retired && l.users == 0 {
		close(l.unused)
	}
}

// retire closes the link when what is under way has ended, or ctx has.
func (l *link) retire(ctx context.Context) {
	l.mu.Lock()
	l.retired = true
	if l.users == 0 {
		close(l.unused)
	}
	l.mu.Unlock()
	select {
	case <-l.unused:
	case <-ctx.Done():
	}
	l.close()
}

// close closes the link now. What is under way fails.
func (l *link) close() {
	l.stop()
	l.x.Close()
}

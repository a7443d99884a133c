package driver

import (
	"context"
	"sync"

	"github.com/gocql/gocql"
)

// link is one session of gocql. A [Session] replaces it when it has lost its
// nodes for good. Statements that are under way on the old link end there.
type link struct {
	x       *gocql.Session
	stop    context.CancelFunc // closes its connections, and ends its dialling
	members *members

	mu      sync.Mutex
	users   int
	retired bool
	unused  chan struct{} // closed when the link is retired and has no users
}

// open opens a link: to the nodes of the local data centre or, to find out what
// the cluster has, to any node.
func open(ctx context.Context, config Config, local bool) (*link, error) {
	life, stop := context.WithCancel(context.Background())
	members := &members{known: make(map[string]string)}
	cluster, err := newCluster(config, life)
	if err != nil {
		stop()
		return nil, err
	}
	refusals := &refusals{next: cluster.ConnectObserver, ssl: cluster.SslOpts}
	cluster.ConnectObserver = refusals
	cluster.HostFilter = members
	if local {
		members.dc = config.LocalDC
		cluster.Keyspace = config.Keyspace
		cluster.PoolConfig.HostSelectionPolicy = &avoidUnanswering{HostSelectionPolicy: gocql.TokenAwareHostPolicy(
			gocql.DCAwareRoundRobinPolicy(config.LocalDC), gocql.ShuffleReplicas())}
	}
	type result struct {
		session *gocql.Session
		err     error
	}
	done := make(chan result, 1) // CreateSession takes no context
	go func() {
		session, err := cluster.CreateSession()
		done <- result{session, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			stop()
			return nil, refusals.explain(members.explain(r.err, config.Hosts))
		}
		members.settle()
		return &link{x: r.session, stop: stop, members: members, unused: make(chan struct{})}, nil
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

// enter begins a use of the link. It returns false if the link is retired.
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

// retire closes the link when its last user has left it, or when ctx ends.
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

// close closes the link now. Statements that are under way fail.
func (l *link) close() {
	l.stop()
	l.x.Close()
}

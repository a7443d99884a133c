package driver

import (
	"context"
	"sync"

	"github.com/gocql/gocql"
)

// link is one session of the driver. A [Session] takes another one when its
// driver has lost its nodes for good; what is under way on the old one ends
// there first.
type link struct {
	x    *gocql.Session
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
	members := &members{dc: config.LocalDC, known: make(map[string]bool)}
	cluster, err := newCluster(config, life)
	if err != nil {
		stop()
		return nil, err
	}
	if local {
		cluster.Keyspace = config.Keyspace
		cluster.HostFilter = members
		cluster.PoolConfig.HostSelectionPolicy = &avoidUnanswering{HostSelectionPolicy: gocql.TokenAwareHostPolicy(
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
		members.settle()
		return &link{x: r.session, stop: stop, unused: make(chan struct{})}, nil
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

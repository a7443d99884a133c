package driver

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gocql/gocql"
)

// avoidUnanswering puts hosts last that lately gave no answer. A node that is
// stopped or cut off keeps its connections for half a minute and says nothing.
// A statement that is sent there waits for its time-out; if all its retries go
// there, it fails, although the other nodes are a quorum.
type avoidUnanswering struct {
	gocql.HostSelectionPolicy

	mu      sync.Mutex
	avoided map[string]time.Time // by host ID: until when it comes last
}

// avoidance is how long a host comes last after it gave no answer.
const avoidance = 5 * time.Second

// Pick implements [gocql.HostSelectionPolicy].
func (p *avoidUnanswering) Pick(q gocql.ExecutableQuery) gocql.NextHost {
	next := p.HostSelectionPolicy.Pick(q)
	var last []gocql.SelectedHost
	more := true
	return func() gocql.SelectedHost {
		for more {
			host := next()
			if host == nil {
				more = false
				break
			}
			if !p.isAvoided(host.Info()) {
				return watchedHost{host, p}
			}
			last = append(last, host)
		}
		if len(last) == 0 {
			return nil
		}
		host := last[0]
		last = last[1:]
		return watchedHost{host, p}
	}
}

func (p *avoidUnanswering) isAvoided(host *gocql.HostInfo) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.avoided[host.HostID()]
	return ok && time.Now().Before(until)
}

// note records how an attempt at a statement ended. An error that a node sends
// is an answer too.
func (p *avoidUnanswering) note(host *gocql.HostInfo, err error) {
	var answer gocql.RequestError
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	case err == nil, errors.As(err, &answer):
		delete(p.avoided, host.HostID())
	default:
		if p.avoided == nil {
			p.avoided = make(map[string]time.Time)
		}
		p.avoided[host.HostID()] = time.Now().Add(avoidance)
	}
}

// watchedHost is a host that was picked, and tells the policy how that went.
type watchedHost struct {
	gocql.SelectedHost
	policy *avoidUnanswering
}

// Mark implements [gocql.SelectedHost].
func (h watchedHost) Mark(err error) {
	h.policy.note(h.Info(), err)
	h.SelectedHost.Mark(err)
}

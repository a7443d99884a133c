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
	next := p.pick(q)
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
				return watchedHost{host, p, time.Now()}
			}
			last = append(last, host)
		}
		if len(last) == 0 {
			return nil
		}
		host := last[0]
		last = last[1:]
		return watchedHost{host, p, time.Now()}
	}
}

// pick asks gocql, which finds out the partition key of a statement when it is
// used first. If another call is doing that, it waits for it, and takes no
// notice of the context; so it waits beside the call.
func (p *avoidUnanswering) pick(q gocql.ExecutableQuery) gocql.NextHost {
	if q == nil || q.Context().Done() == nil {
		return p.HostSelectionPolicy.Pick(q)
	}
	picked := make(chan gocql.NextHost, 1)
	go func() { picked <- p.HostSelectionPolicy.Pick(q) }()
	select {
	case next := <-picked:
		return next
	case <-q.Context().Done():
		return func() gocql.SelectedHost { return nil }
	}
}

func (p *avoidUnanswering) isAvoided(host *gocql.HostInfo) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.avoided[host.HostID()]
	return ok && time.Now().Before(until)
}

// silence is how long a host may say nothing before the end of a context counts
// as no answer.
const silence = time.Second

// note records how an attempt at a statement ended, which took a time. An error
// that a node sends is an answer too.
func (p *avoidUnanswering) note(host *gocql.HostInfo, took time.Duration, err error) {
	var answer gocql.RequestError
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded) && took < silence:
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
	picked time.Time
}

// Mark implements [gocql.SelectedHost].
func (h watchedHost) Mark(err error) {
	h.policy.note(h.Info(), time.Since(h.picked), err)
	h.SelectedHost.Mark(err)
}

package pop3

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/popcask/popcask/internal/netserver"
)

// turns lets so many checks run at the same time. Those that wait get their
// turn by how many failures there were from their address, the fewest first.
// Among equals it goes by address, round and round, so that an address with many
// tries does not keep the others waiting.
type turns struct {
	mu    sync.Mutex
	taken int
	lines []*line // that somebody waits in
}

// line is where the tries of an address wait that had so many failures before.
type line struct {
	place
	waiting []chan struct{}
}

type place struct {
	address  netip.Prefix
	failures int
}

// takeFree takes a turn if one is free, and reports whether it has one.
func (t *turns) takeFree(limit int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.takeLocked(limit)
}

// takeLocked takes a turn if one is free, for a caller that has the lock.
func (t *turns) takeLocked(limit int) bool {
	if netserver.Reached(t.taken, limit) {
		return false
	}
	t.taken++
	return true
}

// take waits for a turn, of which there are limit; negative: any number.
func (t *turns) take(ctx context.Context, at place, limit int) (release func(), err error) {
	t.mu.Lock()
	if t.takeLocked(limit) {
		t.mu.Unlock()
		return t.release, nil
	}
	turn := make(chan struct{})
	t.join(at, turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return t.release, nil
	case <-ctx.Done():
	}
	if !t.drop(at, turn) { // it came at the same moment
		t.release()
	}
	return nil, ctx.Err()
}

func (t *turns) join(at place, turn chan struct{}) {
	i := t.find(at)
	if i < 0 {
		i = len(t.lines)
		t.lines = append(t.lines, &line{place: at})
	}
	t.lines[i].waiting = append(t.lines[i].waiting, turn)
}

func (t *turns) find(at place) int {
	return slices.IndexFunc(t.lines, func(l *line) bool { return l.place == at })
}

// drop removes one that waits, and reports whether it was still waiting.
func (t *turns) drop(at place, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.find(at)
	if i < 0 {
		return false
	}
	l := t.lines[i]
	j := slices.Index(l.waiting, turn)
	if j < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, j, j+1)
	if len(l.waiting) == 0 {
		t.lines = slices.Delete(t.lines, i, i+1)
	}
	return true
}

// release passes a turn on: to the address that has waited longest since its
// last one, of those with the fewest failures.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		t.taken--
		return
	}
	next := 0
	for i, l := range t.lines {
		if l.failures < t.lines[next].failures {
			next = i
		}
	}
	l := t.lines[next]
	close(l.waiting[0])
	l.waiting = l.waiting[1:]
	t.lines = slices.Delete(t.lines, next, next+1)
	if len(l.waiting) > 0 {
		t.lines = append(t.lines, l)
	}
}

package pop3

import (
	"context"
	"net/netip"
	"sync"
)

// turns lets so many checks run at the same time. Those that wait get their
// turn by address, round and round, so that an address with many tries does not
// keep the others waiting.
type turns struct {
	mu     sync.Mutex
	taken  int
	queues map[netip.Prefix][]chan struct{} // a channel for each that waits
	order  []netip.Prefix                   // of the queues
}

// take waits for a turn, of which there are limit; negative: any number.
func (t *turns) take(ctx context.Context, address netip.Prefix, limit int) (release func(), err error) {
	t.mu.Lock()
	if !reached(t.taken, limit) {
		t.taken++
		t.mu.Unlock()
		return t.release, nil
	}
	turn := make(chan struct{})
	t.join(address, turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return t.release, nil
	case <-ctx.Done():
	}
	if !t.drop(address, turn) { // it came at the same moment
		t.release()
	}
	return nil, ctx.Err()
}

func (t *turns) join(address netip.Prefix, turn chan struct{}) {
	if t.queues == nil {
		t.queues = make(map[netip.Prefix][]chan struct{})
	}
	if len(t.queues[address]) == 0 {
		t.order = append(t.order, address)
	}
	t.queues[address] = append(t.queues[address], turn)
}

// drop removes one that waits, and reports whether it was still waiting.
func (t *turns) drop(address netip.Prefix, turn chan struct{}) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	queue := t.queues[address]
	for i, other := range queue {
		if other == turn {
			t.set(address, append(queue[:i], queue[i+1:]...))
			return true
		}
	}
	return false
}

// set replaces a queue. One without anybody is removed.
func (t *turns) set(address netip.Prefix, queue []chan struct{}) {
	if len(queue) > 0 {
		t.queues[address] = queue
		return
	}
	delete(t.queues, address)
	for i, other := range t.order {
		if other == address {
			t.order = append(t.order[:i], t.order[i+1:]...)
			return
		}
	}
}

// release passes a turn on to the address that has waited longest since its
// last one.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.taken--
		return
	}
	address := t.order[0]
	queue := t.queues[address]
	close(queue[0])
	if t.set(address, queue[1:]); len(queue) > 1 {
		t.order = append(t.order[1:], address)
	}
}

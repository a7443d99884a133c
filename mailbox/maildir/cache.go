package maildir

import "sync"

// bounded is a map that forgets something when it is full. What it holds may be
// forgotten at any time at the price of finding it out again.
type bounded[K comparable, V any] struct {
	limit int

	mu sync.RWMutex
	m  map[K]V
}

func (b *bounded[K, V]) get(key K) (V, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	value, ok := b.m[key]
	return value, ok
}

func (b *bounded[K, V]) put(key K, value V) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limit <= 0 {
		return
	}
	if b.m == nil {
		b.m = make(map[K]V)
	}
	if _, there := b.m[key]; !there && len(b.m) >= b.limit {
		for victim := range b.m {
			delete(b.m, victim)
			break
		}
	}
	b.m[key] = value
}

func (b *bounded[K, V]) drop(key K) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, key)
}

func (b *bounded[K, V]) empty() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.m) == 0
}

package maildir

import (
	"sync"

	"github.com/popcask/popcask/internal/bounded"
)

// cache is a map with at most limit entries: when it is full, an entry makes
// room for a new one. An entry that is gone costs finding it out again, nothing
// else. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	limit int

	mu sync.RWMutex
	m  map[K]V
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	value, ok := c.m[key]
	return value, ok
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit <= 0 {
		return
	}
	bounded.Put(&c.m, c.limit, key, value)
}

func (c *cache[K, V]) forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.m, key)
}

func (c *cache[K, V]) empty() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.m) == 0
}

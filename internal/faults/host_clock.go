package faults

import (
	"fmt"
	"sync"
	"time"
)

// clock is the clock of the library in one host.
type clock struct {
	right func() time.Time

	mu     sync.Mutex
	ahead  time.Duration
	frozen time.Time // zero means that it goes on
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.frozen.IsZero() {
		return c.frozen
	}
	return c.right().Add(c.ahead)
}

// set obeys an order: "+90s" and "-2m" set the clock wrong, "freeze" stops it,
// a time of RFC 3339 stops it there, "right" sets it right.
func (c *clock) set(order string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch order {
	case "freeze":
		c.frozen = c.right().Add(c.ahead)
		return nil
	case "right":
		c.ahead, c.frozen = 0, time.Time{}
		return nil
	}
	if at, err := time.Parse(time.RFC3339Nano, order); err == nil {
		c.frozen = at
		return nil
	}
	ahead, err := time.ParseDuration(order)
	if err != nil {
		return fmt.Errorf("faults: a clock cannot be set %q", order)
	}
	c.ahead, c.frozen = ahead, time.Time{}
	return nil
}

package cassandra_test

import (
	"sync/atomic"
	"time"
)

// clock is a clock that stands still until a test sets it.
type clock struct{ now atomic.Int64 }

func newClock(t time.Time) *clock {
	c := new(clock)
	c.set(t)
	return c
}

func (c *clock) set(t time.Time) { c.now.Store(t.UnixMicro()) }

func (c *clock) advance(d time.Duration) { c.now.Add(d.Microseconds()) }

func (c *clock) Now() time.Time { return time.UnixMicro(c.now.Load()) }

package cassandra

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A fence lies a horizon before the clock of a node. So no ID of a host is at or
// below it, if the host's clock is at most half a horizon behind the nodes', and
// if the delivery takes no longer than the other half. What breaks one of them
// mostly meets the fence. But a delivery reads no fence at replicas that are
// newer than it, between a change of the replication and the repair after it.
// So both are looked at.

// patience is how far behind a clock may be, and how long a delivery may take.
func (c *Config) patience() time.Duration { return max(c.Horizon/2, leastPatience) }

// leastPatience is the least of it, however small Config.Horizon is: tests have
// horizons of a second.
const leastPatience = 3 * time.Minute

// A clock was right a moment ago if it was compared with a node's in the last
// minute, and has gone as fast as the machine's monotonic clock since.
const (
	comparedFor = time.Minute
	jump        = time.Second
)

// comparison is when the clock of the host was last found to be right.
type comparison struct {
	mu sync.Mutex
	at time.Time // monotonic; zero if it never was
	is time.Time // by Config.Now
}

func (c *comparison) holds(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := time.Since(c.at)
	gone := now.Round(0).Sub(c.is)
	return !c.at.IsZero() && since < comparedFor && (gone-since).Abs() < jump
}

func (c *comparison) note(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.is = time.Now(), now.Round(0)
}

// clocksAsked is how many nodes must agree that a clock is behind: that of a
// node may be ahead.
const clocksAsked = 3

// checkClock returns an error if the clock of this host is so far behind those
// of the nodes that it must not deliver. It asks a node once a minute, and if
// the clock was set.
func (s *Session) checkClock(ctx context.Context) error {
	var behind time.Duration
	for range clocksAsked {
		now := s.config.Now()
		if s.compared.holds(now) {
			return nil
		}
		node, err := s.cluster.Clock(ctx)
		if err != nil {
			return err
		}
		if behind = node.Sub(now); behind <= s.config.patience() {
			s.compared.note(now)
			return nil
		}
	}
	return fmt.Errorf("the clock of this host is %s behind those of the nodes: it takes no mail until its clock is right", behind.Round(time.Second))
}

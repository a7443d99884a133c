package storetest

import (
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/popcask/popcask/cassandra"
)

// Recorder keeps the observations of an observer. The zero Recorder is ready to
// use.
type Recorder struct {
	mu   sync.Mutex
	seen []cassandra.Observation
}

// Observe is an Observer of a [cassandra.Config].
func (r *Recorder) Observe(o cassandra.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, o)
}

// Take returns the observations since the last Take.
func (r *Recorder) Take() []cassandra.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

var (
	condition = regexp.MustCompile(`(?i)\bIF\b`)
	forbidden = regexp.MustCompile(`(?i)\b(TTL|ALLOW\s+FILTERING|COUNTER|LOGGED|SERIAL)\b`)
	write     = regexp.MustCompile(`(?i)^\s*(INSERT|UPDATE|DELETE)\b`)
	timestamp = regexp.MustCompile(`(?i)\bUSING\s+TIMESTAMP\s+\?`)
	inexact   = regexp.MustCompile(`(?i)^\s*DELETE\b.*(<|>|\bIN\b|\()`)
)

// IsWrite reports whether a statement writes.
func IsWrite(statement string) bool { return write.MatchString(statement) }

// CheckP9 fails the test on a statement that has a [Problem]. Every session of
// [Connect] calls it.
func CheckP9(t testing.TB, seen cassandra.Observation) {
	if problem := Problem(seen); problem != "" {
		t.Errorf("P9: %s: %s at %s", problem, seen.Statement, seen.Consistency)
	}
}

// Problem returns the rule that a statement breaks, or "": that there are no
// lightweight transactions (P9), or one of the rules that replace them.
func Problem(seen cassandra.Observation) string {
	switch {
	case seen.Conditional, condition.MatchString(seen.Statement):
		return "a lightweight transaction"
	case !slices.Contains([]string{"LOCAL_QUORUM", "EACH_QUORUM", "ALL"}, seen.Consistency):
		return "a serial level, or another that has no place here"
	case forbidden.MatchString(seen.Statement):
		return "a word that has no place here"
	case IsWrite(seen.Statement) && !timestamp.MatchString(seen.Statement):
		return "a write without its own timestamp"
	case inexact.MatchString(seen.Statement):
		return "a delete of a range"
	}
	return ""
}

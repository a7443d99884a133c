package years

import (
	"fmt"
	"time"
)

// Cost is what some work asked of the cluster.
type Cost struct {
	Statements int
	Keys       int // that reads asked for by IN
	Rows       int // that reads met
	Tombstones int // that reads met
}

func (c Cost) plus(o Cost) Cost {
	return Cost{c.Statements + o.Statements, c.Keys + o.Keys, c.Rows + o.Rows, c.Tombstones + o.Tombstones}
}

func (c Cost) minus(o Cost) Cost {
	return Cost{c.Statements - o.Statements, c.Keys - o.Keys, c.Rows - o.Rows, c.Tombstones - o.Tombstones}
}

// time is about how long a node of Cassandra 5.0.6 on the same machine takes,
// as it was measured.
func (c Cost) time() time.Duration {
	const statement, key, row, tombstone = 400_000, 13_000, 2_500, 500 // nanoseconds
	return time.Duration(c.Statements*statement + c.Keys*key + c.Rows*row + c.Tombstones*tombstone)
}

// mean is the mean cost of some pieces of work, and the time that they took:
// less than the sum, if statements are sent side by side.
type mean struct {
	sum  Cost
	took time.Duration
	many int
}

func (m *mean) add(c Cost, took time.Duration) {
	m.sum = m.sum.plus(c)
	m.took += took
	m.many++
}

func (m mean) time() time.Duration { return m.took / time.Duration(max(1, m.many)) }

func (m mean) String() string {
	of := func(n int) float64 { return float64(n) / float64(max(1, m.many)) }
	return fmt.Sprintf("%.2f statements, %.1f keys, %.1f rows, %.1f tombstones, %s",
		of(m.sum.Statements), of(m.sum.Keys), of(m.sum.Rows), of(m.sum.Tombstones), m.time().Round(10*time.Microsecond))
}

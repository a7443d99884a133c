package sim

import (
	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/faults"
)

// Setup changes what is played. The zero Setup changes nothing.
type Setup struct {
	// Plant plants a bug. It is called for each history.
	Plant func() Planted

	// Ignore are the classes of violations that are not reported.
	Ignore map[faults.Class]bool
}

// Planted is a planted bug. Its functions may be nil.
type Planted struct {
	Wrap  func(host string) func(cql.DB) cql.DB // see [cassandra.Config.Wrap]
	Index func(cassandra.Index) cassandra.Index

	// Agrees says that the clock of a node is that of the host which asks for
	// it: all of a data centre is wrong.
	Agrees bool

	// Acknowledged returns the ID with which the library would have
	// acknowledged a message.
	Acknowledged func(id string) string
}

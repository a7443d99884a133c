package cql

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// DB runs statements. It is safe for concurrent use.
//
// A write whose error is a time-out may still take effect, now or later. It may
// be run again, since it carries its own timestamp.
type DB interface {
	// Exec runs a write with a timestamp, in microseconds since 1970. The
	// method that made the statement says what its values are, and in which
	// order.
	Exec(ctx context.Context, level Level, st *Statement, timestamp int64, values ...any) error

	// ExecBatch runs the writes of a batch as one mutation. An empty batch does
	// nothing. A batch that [Batch.Check] refuses is an error.
	ExecBatch(ctx context.Context, level Level, batch *Batch) error

	// Page reads one page of a Select: the first page if state is nil, else the
	// page that an earlier call returned the state of. It calls scan with each
	// row, and returns the state of the next page, nil after the last one.
	//
	// scan must not keep the row. An error of scan ends the page, and Page
	// returns it. A read that meets more tombstones than a node allows fails
	// with [ErrTooManyTombstones].
	Page(ctx context.Context, level Level, st *Statement, state []byte, scan func(Row) error, values ...any) (next []byte, err error)
}

// Row is a row of a page. Scan copies its columns, in the order in which the
// statement names them, into pointers; a nil leaves its column out.
type Row interface{ Scan(columns ...any) error }

// Each reads all pages, as [DB.Page] reads one, and calls scan with every row.
func Each(ctx context.Context, db DB, level Level, st *Statement, scan func(Row) error, values ...any) error {
	var state []byte
	for {
		next, err := db.Page(ctx, level, st, state, scan, values...)
		if err != nil || next == nil {
			return err
		}
		state = next
	}
}

// ErrTooManyTombstones says that a read met more tombstones than a node allows
// (tombstone_failure_threshold in cassandra.yaml, 100,000 by default). A
// smaller range can still be read.
var ErrTooManyTombstones = errors.New("the read met too many tombstones")

// Level is a consistency level, by its name in Cassandra. Serial levels are
// refused.
type Level string

// The levels that the store uses, and the replicas whose answers a statement
// waits for.
const (
	LocalQuorum Level = "LOCAL_QUORUM" // a majority of the replicas in the local data centre
	EachQuorum  Level = "EACH_QUORUM"  // a majority of the replicas in every data centre
	All         Level = "ALL"          // every replica
)

// Batch is several writes to one partition. The zero Batch is empty.
type Batch struct {
	writes []Write
}

// Write is a write of a batch.
type Write struct {
	Statement *Statement
	Timestamp int64 // microseconds since 1970
	Values    []any
}

// Add adds a write with its own timestamp. Its arguments are those of
// [DB.Exec].
func (b *Batch) Add(st *Statement, timestamp int64, values ...any) {
	b.writes = append(b.writes, Write{st, timestamp, values})
}

// Len returns the number of writes.
func (b *Batch) Len() int { return len(b.writes) }

// Writes returns the writes, in the order in which they were added.
func (b *Batch) Writes() []Write { return b.writes }

// Check returns an error if one of the statements is a Select, or if the writes
// are not all to one partition. Every implementation of [DB.ExecBatch] calls
// it.
func (b *Batch) Check() error {
	for i, w := range b.writes {
		if w.Statement.Kind == Select {
			return fmt.Errorf("cql: a batch reads: %s", w.Statement)
		}
		first := b.writes[0]
		if i > 0 && (w.Statement.Table.Name != first.Statement.Table.Name ||
			!reflect.DeepEqual(w.Statement.partitionKey(w.Values), first.Statement.partitionKey(first.Values))) {
			return fmt.Errorf("cql: a batch writes to two partitions: %s", w.Statement)
		}
	}
	return nil
}

// Observation describes one attempt at a statement or a batch, without its
// values.
type Observation struct {
	Context     context.Context // of the call that sent it: a trace finds its parent there
	Statement   string          // its text; for a batch, that of the first write
	Batch       int             // the number of writes of a batch; 0 if it is not a batch
	Consistency string          // the consistency level: "LOCAL_QUORUM", "EACH_QUORUM" ...
	Conditional bool            // whether it is a lightweight transaction: the store sends none
	Host        string          // address and port of the node; "" if no node was asked
	Attempt     int             // 0 for the first one
	Start, End  time.Time
	Rows        int // that a read returned
	Err         error
}

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
// An error says that the call failed, or that nobody knows: a write that timed
// out may still take effect, now or later. Since it carries its own timestamp it
// may be run again.
type DB interface {
	// Exec runs a write with a timestamp, in microseconds. The values are those
	// that the method which made the statement names, in its order.
	Exec(ctx context.Context, level Level, st *Statement, timestamp int64, values ...any) error

	// ExecBatch runs the writes of a batch as one mutation. A batch without any
	// does nothing. One whose writes are not of one partition is an error.
	ExecBatch(ctx context.Context, level Level, batch *Batch) error

	// Page reads one page: the first if state is nil, else the one that state
	// stands for. It calls scan with each row, and returns the state of the next
	// page, nil after the last one. scan must not keep the row. An error of scan
	// ends the page and is returned. A read that meets more tombstones than a
	// node allows is [ErrTooManyTombstones].
	Page(ctx context.Context, level Level, st *Statement, state []byte, scan func(Row) error, values ...any) (next []byte, err error)
}

// Row is a row of a page. Scan reads its columns in the order of the statement;
// nil leaves one out.
type Row interface{ Scan(columns ...any) error }

// Each reads all pages, as [DB.Page] reads one.
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
// (tombstone_failure_threshold of cassandra.yaml, 100,000 by default). A smaller
// stretch may be read.
var ErrTooManyTombstones = errors.New("the read met too many tombstones")

// Level is a consistency level, by its name in Cassandra.
type Level string

// The levels that there are here. Serial ones are not among them.
const (
	LocalQuorum Level = "LOCAL_QUORUM" // most replicas of the local data centre
	EachQuorum  Level = "EACH_QUORUM"  // most replicas of every data centre
	All         Level = "ALL"          // every replica
)

// Batch is several writes to one partition. The zero Batch has none.
type Batch struct {
	writes []Write
}

// Write is a write of a batch.
type Write struct {
	Statement *Statement
	Timestamp int64 // microseconds
	Values    []any
}

// Add adds a write with its own timestamp, as [DB.Exec] takes it.
func (b *Batch) Add(st *Statement, timestamp int64, values ...any) {
	b.writes = append(b.writes, Write{st, timestamp, values})
}

// Len counts the writes.
func (b *Batch) Len() int { return len(b.writes) }

// Writes returns the writes, in their order.
func (b *Batch) Writes() []Write { return b.writes }

// Check returns an error if the writes are not all of one partition, or one of
// them is none. An implementation of [DB] calls it.
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
	Statement   string // of a batch: the first one
	Batch       int    // statements of a batch; 0 if it is none
	Consistency string // "LOCAL_QUORUM", "EACH_QUORUM" ...
	Conditional bool   // a lightweight transaction: never, and a test sees to it
	Host        string
	Attempt     int // 0 is the first one
	Start, End  time.Time
	Rows        int // that a read returned
	Err         error
}

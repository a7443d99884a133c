package cql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2"
)

// Level is a consistency level.
type Level = gocql.Consistency

// The levels that there are here. Serial ones are not among them.
const (
	LocalQuorum = gocql.LocalQuorum
	EachQuorum  = gocql.EachQuorum
	All         = gocql.All
)

// needsEveryCentre tells whether a statement at a level waits for nodes of every
// data centre.
func needsEveryCentre(level Level) bool { return level == EachQuorum || level == All }

// Statement is a statement that was built once, at start-up, with gocqlx's qb.
type Statement struct {
	text      string
	names     []string // of the values, in their order
	timestamp int      // where among them the timestamp stands; -1 for reads
	rows      int      // a page; 0 for writes
}

// Builder is a statement of gocqlx's qb.
type Builder interface {
	ToCql() (text string, names []string)
}

// Timestamp is the name that the timestamp of a write has in its builder:
// TimestampNamed(cql.Timestamp).
const Timestamp = "write_timestamp"

// Write is a statement that writes. It must name its timestamp: one that does
// not, or that has a condition, is a programmer's mistake and panics.
func Write(b Builder) *Statement {
	text, names := b.ToCql()
	st := &Statement{text: text, names: names, timestamp: slices.Index(names, Timestamp)}
	if st.timestamp < 0 || conditional(text) || forbidden.MatchString(text) {
		panic("cql: a write needs a timestamp, and no condition and no expiry: " + text)
	}
	return st
}

// Read is a statement that reads pages of so many rows.
func Read(rows int, b Builder) *Statement {
	text, names := b.ToCql()
	if !namesColumns.MatchString(text) || forbidden.MatchString(text) {
		panic("cql: a read is a SELECT that names its columns and its key: " + text)
	}
	return &Statement{text: text, names: names, timestamp: -1, rows: rows}
}

// bind puts the timestamp where it belongs among the values.
func (st *Statement) bind(timestamp int64, values []any) []any {
	return slices.Insert(slices.Clone(values), st.timestamp, any(timestamp))
}

// String is the text of the statement.
func (st *Statement) String() string { return strings.TrimSpace(st.text) }

// Observation tells of one attempt at a statement, or at a batch.
type Observation struct {
	Statement   string // of a batch: the first one
	Batch       int    // statements of a batch; 0 where it is none
	Consistency string
	Conditional bool // a lightweight transaction; always false
	Host        string
	Attempt     int // 0 is the first one
	Start, End  time.Time
	Rows        int // read
	Err         error
}

// observer hears from the driver.
type observer struct {
	level   Level
	attempt int
	tell    func(Observation)
}

func (o observer) ObserveQuery(_ context.Context, q gocql.ObservedQuery) {
	o.tell(Observation{
		Statement: strings.TrimSpace(q.Statement), Consistency: levelName(o.level), Conditional: conditional(q.Statement),
		Host: hostName(q.Host), Attempt: o.attempt, Start: q.Start, End: q.End, Rows: q.Rows, Err: q.Err,
	})
}

func (o observer) ObserveBatch(_ context.Context, b gocql.ObservedBatch) {
	o.tell(Observation{
		Statement: strings.TrimSpace(b.Statements[0]), Batch: len(b.Statements), Consistency: levelName(o.level),
		Conditional: conditional(strings.Join(b.Statements, ";")),
		Host:        hostName(b.Host), Attempt: o.attempt, Start: b.Start, End: b.End, Err: b.Err,
	})
}

func hostName(host *gocql.HostInfo) string {
	if host == nil {
		return ""
	}
	return host.HostnameAndPort()
}

// Exec runs a write with a timestamp, in microseconds. The values are those of
// the statement's other names, in their order.
func (s *Session) Exec(ctx context.Context, level Level, st *Statement, timestamp int64, values ...any) error {
	call := s.tampered(level, st, timestamp, values)
	if call.Drop {
		return nil
	}
	level, values = call.Level, st.bind(call.Timestamp, call.Values)
	tries := -1
	return s.attempt(ctx, level, func() error {
		tries++
		return s.use(level, func(x gocqlx.Session) error { return s.query(ctx, x, level, st, tries, values).Exec() })
	})
}

// query makes the driver's query.
func (s *Session) query(ctx context.Context, x gocqlx.Session, level Level, st *Statement, tries int, values []any) *gocql.Query {
	q := x.ContextQuery(ctx, st.text, st.names).Bind(values...).Query
	q.Consistency(level).Idempotent(true).RetryPolicy(nil)
	if st.rows > 0 {
		q.PageSize(st.rows)
	}
	if s.observe != nil {
		q.Observer(observer{level, tries, s.observe})
	}
	return q
}

// Row is a row of a page; Scan reads its columns in the order of the statement.
type Row interface{ Scan(columns ...any) error }

// Page reads one page: the first where state is nil, else the one that state
// stands for. It hands the rows to scan, one by one, and returns the state of
// the next page, nil after the last one. Scan must not keep what it is given.
func (s *Session) Page(ctx context.Context, level Level, st *Statement, state []byte, scan func(Row) error, values ...any) (next []byte, err error) {
	call := s.tampered(level, st, 0, values)
	if call.Drop {
		return nil, nil
	}
	var scanner gocql.Scanner
	err = s.reading(call.Level, func(level Level) error {
		tries := -1
		return s.attempt(ctx, level, func() error {
			tries++
			return s.use(level, func(x gocqlx.Session) error {
				rows := s.query(ctx, x, level, st, tries, call.Values).PageState(state).Iter()
				next = rows.PageState()
				if rows.NumRows() == 0 {
					scanner = nil
					return rows.Close()
				}
				scanner = rows.Scanner()
				return nil
			})
		})
	})
	if err != nil || scanner == nil {
		return emptyToNil(next), err
	}
	for scanner.Next() {
		if err := scan(scanner); err != nil {
			return nil, err
		}
	}
	return emptyToNil(next), scanner.Err()
}

// reading runs a read at its level, or at ALL instead of EACH_QUORUM where the
// engine has that for writes only, as ScyllaDB does.
func (s *Session) reading(level Level, read func(Level) error) error {
	if level != EachQuorum {
		return read(level)
	}
	if s.noEachQuorum.Load() {
		return read(All)
	}
	err := read(EachQuorum)
	if !invalid(err) {
		return err
	}
	instead := read(All)
	if invalid(instead) {
		return err
	}
	if refusesEachQuorum(err) {
		s.noEachQuorum.Store(true)
	}
	return instead
}

func emptyToNil(state []byte) []byte {
	if len(state) == 0 {
		return nil
	}
	return state
}

// Each reads all pages.
func (s *Session) Each(ctx context.Context, level Level, st *Statement, scan func(Row) error, values ...any) error {
	var state []byte
	for {
		next, err := s.Page(ctx, level, st, state, scan, values...)
		if err != nil || next == nil {
			return err
		}
		state = next
	}
}

// Batch is several writes to one partition, which are one mutation: they come
// to be together, or not at all, on each replica.
type Batch struct {
	entries []entry
}

type entry struct {
	st     *Statement
	values []any
}

// Add adds a write with its own timestamp, as Exec takes it.
func (b *Batch) Add(st *Statement, timestamp int64, values ...any) {
	b.entries = append(b.entries, entry{st, st.bind(timestamp, values)})
}

// Len counts the writes.
func (b *Batch) Len() int { return len(b.entries) }

// ExecBatch runs a batch, unlogged, since it is for one partition.
func (s *Session) ExecBatch(ctx context.Context, level Level, b *Batch) error {
	if b = s.tamperedBatch(level, b); len(b.entries) == 0 {
		return nil
	}
	tries := -1
	return s.attempt(ctx, level, func() error {
		tries++
		err := s.use(level, func(x gocqlx.Session) error {
			batch := x.Session.NewBatch(gocql.UnloggedBatch).WithContext(ctx).RetryPolicy(nil).DefaultTimestamp(false)
			batch.SetConsistency(level)
			if s.observe != nil {
				batch.Observer(observer{level, tries, s.observe})
			}
			for _, e := range b.entries {
				batch.Entries = append(batch.Entries, gocql.BatchEntry{Stmt: e.st.text, Args: e.values, Idempotent: true})
			}
			return x.Session.ExecuteBatch(batch)
		})
		if err != nil {
			return fmt.Errorf("batch of %d: %w", len(b.entries), err)
		}
		return nil
	})
}

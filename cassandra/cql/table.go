package cql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scylladb/gocqlx/v2/qb"
)

// Table declares a table of the keyspace. Names are those that CQL allows
// without quotes, in lower case. Every column is in exactly one of the four
// lists.
type Table struct {
	Name       string
	Partition  []string // the partition key
	Clustering []string // the clustering columns, in their order
	Static     []string // the static columns, which all rows of a partition share
	Columns    []string // the regular columns
}

// timestampName is the name of the timestamp among the names that a write
// binds.
const timestampName = "write_timestamp"

// Insert makes the statement that writes some columns, regular or static, of
// one row. Its values are the partition key, the clustering columns and the
// columns, in this order.
func (t Table) Insert(columns ...string) *Statement {
	return t.insert(slices.Concat(t.Partition, t.Clustering, columns), columns)
}

// InsertStatic makes the statement that writes static columns of a partition.
// Its values are the partition key and the columns, in this order.
func (t Table) InsertStatic(columns ...string) *Statement {
	for _, column := range columns {
		t.require(slices.Contains(t.Static, column), "column %s is not static", column)
	}
	return t.insert(slices.Concat(t.Partition, columns), columns)
}

func (t Table) insert(names, columns []string) *Statement {
	t.check(columns)
	return t.write(Insert, columns, 0, qb.Insert(t.Name).Columns(names...).TimestampNamed(timestampName))
}

// Update makes the statement that writes some columns of one row. Unlike a row
// of Insert, the row exists only as long as one of its columns has a value. The
// values are the columns, the partition key and the clustering columns, in this
// order.
func (t Table) Update(columns ...string) *Statement {
	t.check(columns)
	t.require(len(columns) > 0, "an update of no column")
	return t.write(Update, columns, len(columns), qb.Update(t.Name).TimestampNamed(timestampName).Set(columns...).Where(equal(t.Partition, t.Clustering)...))
}

// Delete makes the statement that deletes one row. Its values are the partition
// key and the clustering columns, in this order.
func (t Table) Delete() *Statement {
	t.check(nil)
	return t.write(Delete, nil, 0, qb.Delete(t.Name).TimestampNamed(timestampName).Where(equal(t.Partition, t.Clustering)...))
}

// DeletePartition makes the statement that deletes a whole partition. Use it
// only for a partition that belongs to one message: from any other it may
// delete rows that have not arrived yet. Its values are the partition key.
func (t Table) DeletePartition() *Statement {
	t.check(nil)
	return t.write(DeletePartition, nil, 0, qb.Delete(t.Name).TimestampNamed(timestampName).Where(equal(t.Partition)...))
}

func (t Table) write(kind Kind, columns []string, key int, b qb.Builder) *Statement {
	text, names := b.ToCql()
	return &Statement{
		Kind: kind, Table: t, Columns: columns,
		text: strings.TrimSpace(text), key: key, timestamp: slices.Index(names, timestampName),
	}
}

// Selection is a SELECT without its WHERE: see [Selection.Where].
type Selection struct {
	table    Table
	rows     int
	columns  []string
	distinct bool
}

// Select begins a statement that reads columns in pages of a number of rows. A
// page counts rows, not octets: choose thousands for small rows, a few for
// large ones.
func (t Table) Select(rows int, columns ...string) Selection {
	return Selection{table: t, rows: rows, columns: columns}
}

// SelectPartitions is like Select, but reads each partition once (DISTINCT):
// columns of the partition key, and static ones.
func (t Table) SelectPartitions(rows int, columns ...string) Selection {
	return Selection{table: t, rows: rows, columns: columns, distinct: true}
}

// Where makes the statement. Its clauses are of one of two forms:
//
//   - [Equal] for the whole partition key, then for clustering columns in their
//     order, as many as wanted. The last clustering column may have [AtLeast],
//     [AtMost], both of them, or [In] instead.
//   - [TokenAfter], [TokenUpTo] or both.
//
// A [Limit] may be added to either. The statement's values are those of the
// clauses, in their order.
func (s Selection) Where(clauses ...Clause) *Statement {
	t := s.table
	t.check(s.columns)
	t.require(s.rows > 0, "a page of %d rows", s.rows)
	t.require(len(s.columns) > 0, "a SELECT that names no columns")
	t.checkClauses(clauses)
	b := qb.Select(t.Name).Columns(s.columns...)
	if s.distinct {
		b = qb.Select(t.Name).Distinct(s.columns...)
	}
	for _, c := range clauses {
		switch c.Op {
		case OpEqual:
			b.Where(equal(c.Columns)...)
		case OpAtLeast:
			b.Where(qb.GtOrEq(c.Columns[0]))
		case OpAtMost:
			b.Where(qb.LtOrEq(c.Columns[0]))
		case OpIn:
			b.Where(qb.In(c.Columns[0]))
		case OpTokenAfter:
			b.Where(qb.Token(t.Partition...).GtValue())
		case OpTokenUpTo:
			b.Where(qb.Token(t.Partition...).LtOrEqValue())
		case OpLimit:
			b.Limit(uint(c.Most))
		}
	}
	text, _ := b.ToCql()
	return &Statement{
		Kind: Select, Table: t, Columns: s.columns, Clauses: clauses, Rows: s.rows, Distinct: s.distinct,
		text: strings.TrimSpace(text), timestamp: -1,
	}
}

// Op is the operator of a [Clause].
type Op string

// The operators.
const (
	OpEqual      Op = "="
	OpAtLeast    Op = ">="
	OpAtMost     Op = "<="
	OpIn         Op = "IN"
	OpTokenAfter Op = "token >"
	OpTokenUpTo  Op = "token <="
	OpLimit      Op = "LIMIT"
)

// Clause is a condition on the rows that a Select reads, or a limit to their
// number.
type Clause struct {
	Op      Op
	Columns []string // the statement has a value for each of them
	Most    int      // of OpLimit
}

// Equal selects rows in which each column has its value.
func Equal(columns ...string) Clause { return Clause{Op: OpEqual, Columns: columns} }

// AtLeast selects rows in which the column has its value or a larger one.
func AtLeast(column string) Clause { return Clause{Op: OpAtLeast, Columns: []string{column}} }

// AtMost selects rows in which the column has its value or a smaller one.
func AtMost(column string) Clause { return Clause{Op: OpAtMost, Columns: []string{column}} }

// In selects rows in which the column has one of the values of a slice.
func In(column string) Clause { return Clause{Op: OpIn, Columns: []string{column}} }

// TokenAfter selects partitions whose token is larger than its value, an int64.
func TokenAfter() Clause { return Clause{Op: OpTokenAfter} }

// TokenUpTo selects partitions whose token is at most its value, an int64.
func TokenUpTo() Clause { return Clause{Op: OpTokenUpTo} }

// Limit reads at most this many rows. It has no value.
func Limit(most int) Clause { return Clause{Op: OpLimit, Most: most} }

func equal(columns ...[]string) (list []qb.Cmp) {
	for _, column := range slices.Concat(columns...) {
		list = append(list, qb.Eq(column))
	}
	return list
}

// legalName matches names that need no quotes. No clause of CQL can be smuggled
// into one.
var legalName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$`)

// check panics if the table is not well declared, or does not have the columns.
func (t Table) check(columns []string) {
	t.require(len(t.Partition) > 0, "no partition key")
	all := slices.Concat(t.Partition, t.Clustering, t.Static, t.Columns)
	for i, name := range append([]string{t.Name}, all...) {
		t.require(legalName.MatchString(name), "the name %q", name)
		t.require(i == 0 || slices.Index(all, name) == i-1, "column %s comes twice", name)
	}
	for i, column := range columns {
		t.require(slices.Contains(all, column), "it has no column %s", column)
		t.require(slices.Index(columns, column) == i, "column %s is named twice", column)
	}
}

// checkClauses panics if Cassandra would have to read more rows than it
// returns.
func (t Table) checkClauses(clauses []Clause) {
	var named []string // columns with Equal
	last := ""         // the column with a range or In
	tokens := false
	for _, c := range clauses {
		t.require(last == "" || len(c.Columns) == 0 || c.Op != OpEqual && c.Columns[0] == last, "a clause after the one on %s", last)
		switch c.Op {
		case OpEqual:
			named = append(named, c.Columns...)
		case OpTokenAfter, OpTokenUpTo:
			tokens = true
		case OpLimit:
			t.require(c.Most > 0, "a limit of %d", c.Most)
		default:
			last = c.Columns[0]
		}
	}
	if tokens {
		t.require(len(named) == 0 && last == "", "a clause beside those on the token")
		return
	}
	if last != "" {
		named = append(named, last)
	}
	key := slices.Concat(t.Partition, t.Clustering)
	t.require(len(named) >= len(t.Partition) && len(named) <= len(key) && slices.Equal(named, key[:len(named)]),
		"clauses on %s: want %s, in this order", strings.Join(named, ", "), strings.Join(key, ", "))
	t.require(last == "" || len(named) > len(t.Partition), "a partition key without Equal")
}

func (t Table) require(ok bool, format string, args ...any) {
	if !ok {
		panic(fmt.Sprintf("cql: table %s: "+format, append([]any{t.Name}, args...)...))
	}
}

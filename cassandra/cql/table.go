package cql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/scylladb/gocqlx/v2/qb"
)

// Table is a table of the keyspace. Names are as CQL has them without quotes: in
// lower case. Every column is in one of the four lists.
type Table struct {
	Name       string
	Partition  []string // the partition key
	Clustering []string // the clustering columns, in their order
	Static     []string // the static columns, which the rows of a partition share
	Columns    []string // the others
}

// timestampName is the name of the timestamp among the names of a write.
const timestampName = "write_timestamp"

// Insert makes the statement that writes one row, with some of its columns,
// static ones among them. Its values are those of the partition key, of the
// clustering columns, and of the columns, in this order.
func (t Table) Insert(columns ...string) *Statement {
	return t.insert(slices.Concat(t.Partition, t.Clustering, columns), columns)
}

// InsertStatic makes the statement that writes static columns of a partition. Its
// values are those of the partition key and of the columns, in this order.
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

// Update makes the statement that writes some columns of one row, and leaves no
// trace of a row once they are deleted. Its values are those of the columns, of
// the partition key, and of the clustering columns, in this order.
func (t Table) Update(columns ...string) *Statement {
	t.check(columns)
	t.require(len(columns) > 0, "an update of no column")
	return t.write(Update, columns, len(columns), qb.Update(t.Name).TimestampNamed(timestampName).Set(columns...).Where(equal(t.Partition, t.Clustering)...))
}

// Delete makes the statement that deletes one row. Its values are those of the
// partition key and of the clustering columns, in this order.
func (t Table) Delete() *Statement {
	t.check(nil)
	return t.write(Delete, nil, 0, qb.Delete(t.Name).TimestampNamed(timestampName).Where(equal(t.Partition, t.Clustering)...))
}

// DeletePartition makes the statement that deletes a whole partition. It is for a
// partition that belongs to one message: of any other it would delete rows that
// are still on their way. Its values are those of the partition key.
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

// Selection is a SELECT that does not say yet which rows it reads.
type Selection struct {
	table    Table
	rows     int
	columns  []string
	distinct bool
}

// Select begins a statement that reads columns, in pages of so many rows. A page
// counts rows, not octets: thousands for small rows, a few for large ones.
func (t Table) Select(rows int, columns ...string) Selection {
	return Selection{table: t, rows: rows, columns: columns}
}

// SelectPartitions is Select for the partitions instead of the rows: it reads
// columns of the partition key, or static ones, once for each partition.
func (t Table) SelectPartitions(rows int, columns ...string) Selection {
	return Selection{table: t, rows: rows, columns: columns, distinct: true}
}

// Where makes the statement. The clauses name the whole partition key with
// [Equal], and then, in their order, any clustering columns: with Equal, and the
// last of them with [AtLeast], [AtMost] or [In]. Or they are [TokenAfter] and
// [TokenUpTo]. The statement's values are those of the clauses, in this order.
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

// Op is what a [Clause] says of its columns.
type Op string

// The clauses that there are.
const (
	OpEqual      Op = "="
	OpAtLeast    Op = ">="
	OpAtMost     Op = "<="
	OpIn         Op = "IN"
	OpTokenAfter Op = "token >"
	OpTokenUpTo  Op = "token <="
	OpLimit      Op = "LIMIT"
)

// Clause is a condition on the rows that are read, or a limit to their number.
type Clause struct {
	Op      Op
	Columns []string // a value for each of them
	Most    int      // of a limit
}

// Equal asks for the rows in which each of the columns has its value.
func Equal(columns ...string) Clause { return Clause{Op: OpEqual, Columns: columns} }

// AtLeast asks for the rows from a value on, which belongs to them.
func AtLeast(column string) Clause { return Clause{Op: OpAtLeast, Columns: []string{column}} }

// AtMost asks for the rows up to a value, which belongs to them.
func AtMost(column string) Clause { return Clause{Op: OpAtMost, Columns: []string{column}} }

// In asks for the rows in which a column has one of the values of a slice.
func In(column string) Clause { return Clause{Op: OpIn, Columns: []string{column}} }

// TokenAfter asks for the partitions whose token is above a value, an int64.
func TokenAfter() Clause { return Clause{Op: OpTokenAfter} }

// TokenUpTo asks for the partitions whose token is at most a value, an int64.
func TokenUpTo() Clause { return Clause{Op: OpTokenUpTo} }

// Limit asks for so many rows at most.
func Limit(most int) Clause { return Clause{Op: OpLimit, Most: most} }

func equal(columns ...[]string) (list []qb.Cmp) {
	for _, column := range slices.Concat(columns...) {
		list = append(list, qb.Eq(column))
	}
	return list
}

// legalName leaves out what would need quotes, and the words of CQL that no
// statement here may have.
var legalName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$`)

// check panics if the table is not declared as it must be, or has no such
// columns.
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

// checkClauses panics if Cassandra could not answer without reading more than it
// returns.
func (t Table) checkClauses(clauses []Clause) {
	var named []string // with Equal
	last := ""         // the column that has another clause
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

package cql

import "slices"

// Statement is a statement that a [Table] made. It must not be changed.
type Statement struct {
	Kind     Kind
	Table    Table
	Columns  []string // the columns that it reads or, besides the key, writes
	Clauses  []Clause // of a Select
	Rows     int      // of a Select: rows in a page
	Distinct bool     // of a Select: reads partitions, not rows

	text      string
	key       int // index of the partition key among the values
	timestamp int // index of the timestamp among the bound values; -1 in a Select
}

// Kind is what a statement does.
type Kind string

// The kinds of statements.
const (
	Insert          Kind = "INSERT"
	Update          Kind = "UPDATE"
	Delete          Kind = "DELETE"
	DeletePartition Kind = "DELETE PARTITION"
	Select          Kind = "SELECT"
)

// String is the text of the statement, with a question mark for each value.
func (st *Statement) String() string { return st.text }

// Bind returns the values in the order of the question marks. Into the values
// of a write it inserts the timestamp, in microseconds.
func (st *Statement) Bind(timestamp int64, values []any) []any {
	if st.timestamp < 0 {
		return values
	}
	return slices.Insert(slices.Clone(values), st.timestamp, any(timestamp))
}

// partitionKey returns the values of the partition key among those of a write.
func (st *Statement) partitionKey(values []any) []any {
	return values[min(len(values), st.key):min(len(values), st.key+len(st.Table.Partition))]
}

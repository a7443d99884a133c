package cql

import "slices"

// Statement is a statement that was built once. A [Table] makes it; it is not
// changed afterwards.
type Statement struct {
	Kind     Kind
	Table    Table
	Columns  []string // that are written, besides the key, or read
	Clauses  []Clause // of a Select
	Rows     int      // a page of a Select
	Distinct bool     // a Select of partitions

	text      string
	key       int // where among the values the partition key begins
	timestamp int // where among the bound values the timestamp stands; -1 for reads
}

// Kind is what a statement does.
type Kind string

// The kinds that there are.
const (
	Insert          Kind = "INSERT"
	Update          Kind = "UPDATE"
	Delete          Kind = "DELETE"
	DeletePartition Kind = "DELETE PARTITION"
	Select          Kind = "SELECT"
)

// String is the text of the statement, with a question mark for each value.
func (st *Statement) String() string { return st.text }

// Bind returns the values in the order of the question marks: with the timestamp,
// in microseconds, where a write has it.
func (st *Statement) Bind(timestamp int64, values []any) []any {
	if st.timestamp < 0 {
		return values
	}
	return slices.Insert(slices.Clone(values), st.timestamp, any(timestamp))
}

// partitionKey picks the values of the partition key out of those of a write.
func (st *Statement) partitionKey(values []any) []any {
	return values[min(len(values), st.key):min(len(values), st.key+len(st.Table.Partition))]
}

package cql

import (
	"testing"

	"github.com/stretchr/testify/require"
)

var listing = Table{
	Name:       "listing",
	Partition:  []string{"mailbox_id", "bucket"},
	Clustering: []string{"kind", "message_id"},
	Static:     []string{"owner"},
	Columns:    []string{"size", "uidl"},
}

func TestTextOfStatements(t *testing.T) {
	for want, st := range map[string]*Statement{
		"INSERT INTO listing (mailbox_id,bucket,kind,message_id,size) VALUES (?,?,?,?,?) USING TIMESTAMP ?":                 listing.Insert("size"),
		"INSERT INTO listing (mailbox_id,bucket,kind,message_id) VALUES (?,?,?,?) USING TIMESTAMP ?":                        listing.Insert(),
		"INSERT INTO listing (mailbox_id,bucket,owner) VALUES (?,?,?) USING TIMESTAMP ?":                                    listing.InsertStatic("owner"),
		"UPDATE listing USING TIMESTAMP ? SET size=?,uidl=? WHERE mailbox_id=? AND bucket=? AND kind=? AND message_id=?":    listing.Update("size", "uidl"),
		"DELETE FROM listing USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=? AND kind=? AND message_id=?":                 listing.Delete(),
		"DELETE FROM listing USING TIMESTAMP ? WHERE mailbox_id=? AND bucket=?":                                             listing.DeletePartition(),
		"SELECT owner FROM listing WHERE mailbox_id=? AND bucket=? LIMIT 1":                                                 listing.Select(1, "owner").Where(Equal("mailbox_id", "bucket"), Limit(1)),
		"SELECT size FROM listing WHERE mailbox_id=? AND bucket=? AND kind=? AND message_id>=? AND message_id<=?":           listing.Select(9, "size").Where(Equal("mailbox_id", "bucket", "kind"), AtLeast("message_id"), AtMost("message_id")),
		"SELECT size FROM listing WHERE mailbox_id=? AND bucket=? AND kind IN ?":                                            listing.Select(9, "size").Where(Equal("mailbox_id", "bucket"), In("kind")),
		"SELECT size FROM listing WHERE token(mailbox_id,bucket)>? AND token(mailbox_id,bucket)<=?":                         listing.Select(9, "size").Where(TokenAfter(), TokenUpTo()),
		"SELECT DISTINCT mailbox_id,bucket FROM listing WHERE token(mailbox_id,bucket)>? AND token(mailbox_id,bucket)<=?":   listing.SelectPartitions(9, "mailbox_id", "bucket").Where(TokenAfter(), TokenUpTo()),
		"SELECT size,uidl FROM listing WHERE mailbox_id=? AND bucket=? AND kind=?":                                          listing.Select(9, "size", "uidl").Where(Equal("mailbox_id", "bucket"), Equal("kind")),
		"SELECT size FROM listing WHERE mailbox_id=? AND bucket=? AND kind>=?":                                              listing.Select(9, "size").Where(Equal("mailbox_id", "bucket"), AtLeast("kind")),
		"SELECT size FROM listing WHERE mailbox_id=? AND bucket=? AND kind=? AND message_id=?":                              listing.Select(9, "size").Where(Equal("mailbox_id", "bucket", "kind", "message_id")),
		"SELECT mailbox_id,bucket,kind,message_id,owner,size,uidl FROM listing WHERE mailbox_id=? AND bucket=? AND kind<=?": listing.Select(9, "mailbox_id", "bucket", "kind", "message_id", "owner", "size", "uidl").Where(Equal("mailbox_id", "bucket"), AtMost("kind")),
	} {
		require.Equal(t, want, st.String())
	}
}

// P9, P3: a statement that no statement may be panics when it is made: a read
// without columns, or without its partition key, which would filter a whole
// table; a name that smuggles something in; a column that does not exist.
func TestStatementsThatCannotBeBuilt(t *testing.T) {
	named := func(name string) Table { return Table{Name: name, Partition: []string{"k"}, Columns: []string{"v"}} }
	of := func(clauses ...Clause) func() { return func() { listing.Select(9, "size").Where(clauses...) } }
	for name, build := range map[string]func(){
		"no partition key":             func() { Table{Name: "t"}.Insert() },
		"a condition in a name":        func() { named("t if not exists").Insert() },
		"an expiry in a name":          func() { named("t using ttl 5 and").Update("v") },
		"a quoted name":                func() { named(`"T"`).Insert() },
		"a column that is not there":   func() { listing.Insert("sise") },
		"a column twice":               func() { listing.Insert("size", "size") },
		"a column declared twice":      func() { Table{Name: "t", Partition: []string{"k"}, Columns: []string{"k"}}.Insert() },
		"a regular column as a static": func() { listing.InsertStatic("size") },
		"an update of nothing":         func() { listing.Update() },
		"SELECT *":                     func() { listing.Select(9).Where(Equal("mailbox_id", "bucket")) },
		"a column with a star":         func() { listing.Select(9, "*").Where(Equal("mailbox_id", "bucket")) },
		"a page of no rows":            func() { listing.Select(0, "size").Where(Equal("mailbox_id", "bucket")) },
		"a limit of none":              of(Equal("mailbox_id", "bucket"), Limit(0)),
		"the whole table":              of(),
		"half of the partition key":    of(Equal("mailbox_id")),
		"a filter":                     of(Equal("mailbox_id", "bucket", "size")),
		"a gap in the key":             of(Equal("mailbox_id", "bucket", "message_id")),
		"a range of partitions":        of(Equal("mailbox_id"), AtLeast("bucket")),
		"a range in the middle":        of(Equal("mailbox_id", "bucket"), AtLeast("kind"), Equal("message_id")),
		"two ranges":                   of(Equal("mailbox_id", "bucket"), AtLeast("kind"), AtLeast("message_id")),
		"tokens and a key":             of(TokenAfter(), Equal("mailbox_id", "bucket")),
		"tokens and a range":           of(TokenAfter(), AtLeast("kind")),
	} {
		require.Panics(t, build, name)
	}
}

// The timestamp is bound before the values of an UPDATE and a DELETE, and after
// those of an INSERT.
func TestTimestampIsBoundWhereItBelongs(t *testing.T) {
	table := Table{Name: "t", Partition: []string{"k"}, Columns: []string{"v"}}
	values := []any{"a", "b"}
	require.Equal(t, []any{"a", "b", int64(7)}, table.Insert("v").Bind(7, values))
	require.Equal(t, []any{int64(7), "a", "b"}, table.Update("v").Bind(7, values))
	require.Equal(t, []any{int64(7), "a"}, table.Delete().Bind(7, values[:1]))
	require.Equal(t, []any{"a"}, table.Select(1, "v").Where(Equal("k")).Bind(0, values[:1]))
	require.Equal(t, []any{"a", "b"}, values, "the caller's values are not changed")
}

// A batch is one mutation only if all its writes are to one partition.
func TestBatchOfTwoPartitions(t *testing.T) {
	other := listing
	other.Name = "other"
	id, another := [16]byte{1}, [16]byte{2}
	insert, mark, remove := listing.Insert("size"), listing.Update("uidl"), listing.Delete()
	var batch Batch
	require.NoError(t, batch.Check())
	batch.Add(insert, 1, id, int64(5), "k", id, int64(100))
	batch.Add(mark, 2, "x", id, int64(5), "k", id)
	batch.Add(remove, 3, id, int64(5), "k", another)
	require.NoError(t, batch.Check())
	require.Equal(t, 3, batch.Len())
	for name, add := range map[string]func(*Batch){
		"another bucket":  func(b *Batch) { b.Add(remove, 3, id, int64(6), "k", id) },
		"another mailbox": func(b *Batch) { b.Add(mark, 3, "x", another, int64(5), "k", id) },
		"another table":   func(b *Batch) { b.Add(other.Delete(), 3, id, int64(5), "k", id) },
		"a read":          func(b *Batch) { b.Add(listing.Select(1, "size").Where(Equal("mailbox_id", "bucket")), 0, id, int64(5)) },
		"values missing":  func(b *Batch) { b.Add(mark, 3, "x") },
	} {
		wrong := Batch{writes: append([]Write(nil), batch.writes...)}
		add(&wrong)
		require.Error(t, wrong.Check(), name)
	}
}

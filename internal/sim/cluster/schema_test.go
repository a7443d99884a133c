package cluster

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

// The tables of the library, with and without their comments.
func TestDefine(t *testing.T) {
	c := New(DC{"dc1", 1, 1})
	for _, statement := range schemaOfLibrary(t) {
		require.NoError(t, c.Define(statement))
		require.NoError(t, c.Define(statement), "it exists")
	}
	require.Equal(t, []string{"chunk", "chunks", "data", "head", "mailbox_id", "message_id", "sha256", "size"}, c.Columns()["message"])
	message := c.schema.table("message")
	require.Equal(t, []column{{"message_id", kindTimeUUID}}, message.partition)
	require.Equal(t, []column{{"chunk", kindInt}}, message.clustering)
	require.Equal(t, []column{{"data", kindBlob}}, message.regular)
	require.Len(t, message.static, 5)
	require.Len(t, c.schema.table("mailbox_message").partition, 2)
	require.Equal(t, []column{{"bucket", kindBigint}}, c.schema.table("ledger").clustering)
	require.Equal(t, []column{{"id", kindText}}, c.schema.table("settings").partition)
	require.Equal(t, int64(defaultGCGrace), c.schema.table("settings").gcGrace)
	require.NoError(t, c.Define(createT))
	require.Equal(t, int64(100), c.schema.table("t").gcGrace)
	for _, statement := range []string{
		"DROP TABLE t", "CREATE TABLE x (k int)", "CREATE TABLE x (k counter PRIMARY KEY)", "ALTER TABLE x WITH gc_grace_seconds = 1",
		"CREATE TABLE x (k int, c int, PRIMARY KEY (k, d))", "CREATE TABLE x (k int, c int, PRIMARY KEY (k, c)) WITH CLUSTERING ORDER BY (c DESC)",
	} {
		require.Error(t, c.Define(statement), statement)
	}
}

// Values that Cassandra or the driver would refuse.
func TestRefusedWrites(t *testing.T) {
	c := trio(t)
	other := cql.Table{Name: "other", Partition: []string{"k"}}
	wider := cql.Table{Name: "t", Partition: []string{"k"}, Clustering: []string{"c"}, Columns: []string{"x"}}
	wrong := map[string]cql.Write{
		"an unknown table":            {Statement: other.Insert(), Values: []any{1}},
		"an unknown column":           {Statement: wider.Insert("x"), Values: []any{1, 1, "x"}},
		"a value too few":             {Statement: insertT, Values: []any{1, 1}},
		"a value too many":            {Statement: insertT, Values: []any{1, 1, "x", "y"}},
		"a wrong type":                {Statement: insertT, Values: []any{1, 1, 7}},
		"a key of a wrong type":       {Statement: insertT, Values: []any{int64(1), 1, "x"}},
		"a null key":                  {Statement: insertT, Values: []any{1, nil, "x"}},
		"a read":                      {Statement: selectT, Values: []any{1}},
		"static columns alone, a row": {Statement: tableT.Update("s"), Values: []any{"x", 1, 1}},
	}
	if math.MaxInt > math.MaxInt32 {
		wrong["a number that does not fit"] = cql.Write{Statement: insertT, Values: []any{math.MaxInt, 1, "x"}}
	}
	for name, w := range wrong {
		_, err := c.Mutation([]cql.Write{w}, epoch)
		require.Error(t, err, name)
	}
	_, err := c.Mutation([]cql.Write{{Statement: deleteAllT, Values: []any{1}}, {Statement: deleteAllT, Values: []any{2}}}, epoch)
	require.Error(t, err, "two partitions")
	_, err = c.NewRead(insertT, nil, []any{1, 1, "x"})
	require.Error(t, err)
}

// What the driver does with null, which depends on what it is scanned into.
func TestScanNull(t *testing.T) {
	id, number, text, octets, yes := [16]byte{1}, int64(1), "x", []byte("x"), true
	require.Error(t, kindUUID.scan("", true, &id))
	require.NoError(t, kindBigint.scan("", true, &number))
	require.NoError(t, kindText.scan("", true, &text))
	require.NoError(t, kindBlob.scan("", true, &octets))
	require.NoError(t, kindBoolean.scan("", true, &yes))
	require.Equal(t, []any{int64(0), "", []byte(nil), false}, []any{number, text, octets, yes})
	none := &number
	require.NoError(t, kindBigint.scan("", true, &none))
	require.Nil(t, none)
	require.NoError(t, kindUUID.scan("", true, nil))
	require.Error(t, kindText.scan("x", false, &number))
	require.Error(t, kindText.scan("x", false, new(float64)))
}

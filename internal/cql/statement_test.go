package cql

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/scylladb/gocqlx/v2/qb"
	"github.com/stretchr/testify/require"
)

// raw is a statement as text.
type raw struct {
	text  string
	names []string
}

func (r raw) ToCql() (string, []string) { return r.text, r.names }

// A write without its own timestamp, or with a condition, cannot be built; nor
// can a read that names no columns, or that is none.
func TestStatementsThatCannotBeBuilt(t *testing.T) {
	stamped := []string{"v", Timestamp, "k"}
	for name, b := range map[string]Builder{
		"no timestamp":       qb.Insert("t").Columns("k", "v"),
		"unnamed timestamp":  qb.Insert("t").Columns("k", "v").Timestamp(time.Now()),
		"IF NOT EXISTS":      qb.Insert("t").Columns("k", "v").Unique().TimestampNamed(Timestamp),
		"IF EXISTS":          qb.Update("t").Set("v").Where(qb.Eq("k")).Existing().TimestampNamed(Timestamp),
		"IF v = ?":           qb.Update("t").Set("v").Where(qb.Eq("k")).If(qb.Eq("v")).TimestampNamed(Timestamp),
		"delete IF EXISTS":   qb.Delete("t").Where(qb.Eq("k")).Existing().TimestampNamed(Timestamp),
		"IF on its own line": raw{"UPDATE t USING TIMESTAMP ? SET v=? WHERE k=?\nIF\nEXISTS", stamped},
		"IF behind a tab":    raw{"UPDATE t USING TIMESTAMP ? SET v=? WHERE k=?\tif v=?", stamped},
		"IF behind bracket":  raw{"INSERT INTO t (k,v) VALUES (?,?)IF NOT EXISTS USING TIMESTAMP ?", stamped},
		"TTL":                qb.Insert("t").Columns("k", "v").TTLNamed("ttl").TimestampNamed(Timestamp),
	} {
		require.Panics(t, func() { Write(b) }, name)
	}
	for name, b := range map[string]Builder{
		"SELECT *":           qb.Select("t").Where(qb.Eq("k")),
		"a write as a read":  raw{"INSERT INTO t (k,v) VALUES (?,?) IF NOT EXISTS", []string{"k", "v"}},
		"a write":            qb.Insert("t").Columns("k"),
		"ALLOW FILTERING":    qb.Select("t").Columns("k").Where(qb.Eq("v")).AllowFiltering(),
		"SELECT * in a line": raw{"SELECT\n* FROM t", nil},
	} {
		require.Panics(t, func() { Read(10, b) }, name)
	}
	require.NotPanics(t, func() {
		Write(qb.Insert("t").Columns("k", "v").TimestampNamed(Timestamp))
		Write(qb.Update("t").Set("identifier", "ttl_days").Where(qb.Eq("k")).TimestampNamed(Timestamp))
		Write(qb.Delete("t").Where(qb.Eq("k")).TimestampNamed(Timestamp))
		Read(10, qb.Select("t").Columns("k", "identifier").Where(qb.Eq("k")))
	})
}

// The timestamp stands where the statement has it: before the values of an
// UPDATE and a DELETE, behind those of an INSERT.
func TestTimestampIsBoundWhereItBelongs(t *testing.T) {
	values := []any{"a", "b"}
	insert := Write(qb.Insert("t").Columns("k", "v").TimestampNamed(Timestamp))
	require.Equal(t, []any{"a", "b", int64(7)}, insert.bind(7, values))
	update := Write(qb.Update("t").TimestampNamed(Timestamp).Set("v").Where(qb.Eq("k")))
	require.Equal(t, []any{int64(7), "a", "b"}, update.bind(7, values))
	require.Equal(t, []any{"a", "b"}, values, "the caller's stay as they are")
}

func TestConditional(t *testing.T) {
	for text, want := range map[string]bool{
		"INSERT INTO t (k) VALUES (?) IF NOT EXISTS":                 true,
		"insert into t (k) values (?) if not exists":                 true,
		"INSERT INTO t (k) VALUES (?)IF NOT EXISTS":                  true,
		"UPDATE t SET v=? WHERE k=?\nIF v=?":                         true,
		"DELETE FROM t WHERE k=? IF EXISTS":                          true,
		"BEGIN BATCH UPDATE t SET v=1 WHERE k=1 IF v=0; APPLY BATCH": true,
		"CREATE TABLE IF NOT EXISTS t (k int PRIMARY KEY)":           false,
		"SELECT identifier, gif FROM t WHERE k=?":                    false,
		"INSERT INTO iffy (k) VALUES (?) USING TIMESTAMP ?":          false,
	} {
		require.Equal(t, want, conditional(text), text)
	}
}

// answer is an error of a node.
type answer struct{ code int }

func (a answer) Code() int       { return a.code }
func (a answer) Message() string { return fmt.Sprint(a.code) }
func (a answer) Error() string   { return a.Message() }

// What will not pass is not tried again: a mistake of ours, an end of the
// context, too many tombstones.
func TestPasses(t *testing.T) {
	for _, err := range []error{
		gocql.ErrNoConnections, gocql.ErrTimeoutNoResponse, gocql.ErrConnectionClosed, gocql.ErrUnavailable,
		answer{gocql.ErrCodeUnavailable}, answer{gocql.ErrCodeOverloaded}, answer{gocql.ErrCodeWriteTimeout}, answer{gocql.ErrCodeReadTimeout},
		answer{gocql.ErrCodeWriteFailure}, answer{gocql.ErrCodeBootstrapping}, answer{gocql.ErrCodeServer}, errors.New("read: connection reset by peer"),
	} {
		require.True(t, passes(err), "%v", err)
		require.True(t, passes(fmt.Errorf("batch of 2: %w", err)), "%v", err)
	}
	for _, err := range []error{
		context.Canceled, context.DeadlineExceeded, gocql.ErrSessionClosed,
		answer{gocql.ErrCodeSyntax}, answer{gocql.ErrCodeInvalid}, answer{gocql.ErrCodeUnauthorized}, answer{gocql.ErrCodeConfig},
		answer{gocql.ErrCodeCredentials}, answer{gocql.ErrCodeProtocol},
	} {
		require.False(t, passes(err), "%v", err)
		require.False(t, passes(fmt.Errorf("batch of 2: %w", err)), "%v", err)
	}
}

// Retries: so many, after pauses, of what passes, and never beyond the context.
func TestAttempts(t *testing.T) {
	lost := errors.New("connection lost")
	for _, test := range []struct {
		retries, failures, want int
		err                     error
	}{
		{3, 0, 1, nil}, {3, 1, 2, nil}, {3, 3, 4, nil}, {3, 9, 4, lost}, {0, 9, 1, lost},
		{3, 9, 1, context.DeadlineExceeded}, {3, 9, 1, answer{gocql.ErrCodeSyntax}},
	} {
		tries := 0
		failure := test.err
		if failure == nil {
			failure = lost
		}
		err := (&Session{retries: test.retries}).attempt(t.Context(), LocalQuorum, func() error {
			if tries++; tries <= test.failures {
				return failure
			}
			return nil
		})
		require.Equal(t, test.want, tries)
		require.ErrorIs(t, err, test.err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := (&Session{retries: 1000}).attempt(ctx, LocalQuorum, func() error {
		if tries++; tries == 2 {
			cancel()
		}
		return lost
	})
	require.ErrorIs(t, err, lost)
	require.Equal(t, 2, tries)
}

// writesOnly is the answer of an engine that does not read at EACH_QUORUM.
type writesOnly struct{ answer }

func (writesOnly) Message() string {
	return "EACH_QUORUM ConsistencyLevel is only supported for writes"
}

// Where an engine has EACH_QUORUM for writes only, every data centre is read at
// ALL, from the first time on. What is refused for another reason says nothing of
// levels, whatever comes of it at ALL, at another node perhaps.
func TestReadsWithoutEachQuorum(t *testing.T) {
	refused, mistake, down := writesOnly{answer{gocql.ErrCodeInvalid}}, answer{gocql.ErrCodeInvalid}, answer{gocql.ErrCodeUnavailable}
	for _, test := range []struct {
		name          string
		each, all     error
		first, second []Level // the levels that two reads are tried at
		want          error
	}{
		{"Cassandra", nil, nil, []Level{EachQuorum}, []Level{EachQuorum}, nil},
		{"a data centre is down", down, nil, []Level{EachQuorum}, []Level{EachQuorum}, down},
		{"ScyllaDB", refused, nil, []Level{EachQuorum, All}, []Level{All}, nil},
		{"ScyllaDB, a node is down", refused, down, []Level{EachQuorum, All}, []Level{All}, down},
		{"ScyllaDB, the context ends", refused, context.Canceled, []Level{EachQuorum, All}, []Level{All}, context.Canceled},
		{"a mistake", mistake, mistake, []Level{EachQuorum, All}, []Level{EachQuorum, All}, mistake},
		{"a node without the table", mistake, nil, []Level{EachQuorum, All}, []Level{EachQuorum, All}, nil},
		{"a node without the table, the context ends", mistake, context.Canceled, []Level{EachQuorum, All}, []Level{EachQuorum, All}, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Session
			for _, want := range [][]Level{test.first, test.second} {
				var asked []Level
				err := s.reading(EachQuorum, func(level Level) error {
					asked = append(asked, level)
					if level == All {
						return test.all
					}
					return test.each
				})
				require.Equal(t, test.want, err)
				require.Equal(t, want, asked)
			}
			require.NoError(t, s.reading(LocalQuorum, func(level Level) error {
				require.Equal(t, LocalQuorum, level)
				return nil
			}))
		})
	}
}

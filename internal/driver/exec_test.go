package driver

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cql"
)

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

// An error that does not pass is not tried again: a mistake of ours, the end of
// the context, too many tombstones.
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

// An error that passes is tried again as often as Config.Retries says, after
// pauses, and never after the context has ended.
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
		err := (&Session{retries: test.retries}).attempt(t.Context(), cql.LocalQuorum, func(context.Context, int) error {
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
	err := (&Session{retries: 1000}).attempt(ctx, cql.LocalQuorum, func(context.Context, int) error {
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

// If an engine has EACH_QUORUM for writes only, reads of every data centre are
// at ALL, from the first refusal on. A refusal for another reason says nothing
// of levels, even if the same read at ALL, perhaps at another node, succeeds.
func TestReadsWithoutEachQuorum(t *testing.T) {
	refused, mistake, down := writesOnly{answer{gocql.ErrCodeInvalid}}, answer{gocql.ErrCodeInvalid}, answer{gocql.ErrCodeUnavailable}
	for _, test := range []struct {
		name          string
		each, all     error
		first, second []cql.Level // the levels that two reads are tried at
		want          error
	}{
		{"Cassandra", nil, nil, []cql.Level{cql.EachQuorum}, []cql.Level{cql.EachQuorum}, nil},
		{"a data centre is down", down, nil, []cql.Level{cql.EachQuorum}, []cql.Level{cql.EachQuorum}, down},
		{"ScyllaDB", refused, nil, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.All}, nil},
		{"ScyllaDB, a node is down", refused, down, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.All}, down},
		{"ScyllaDB, the context ends", refused, context.Canceled, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.All}, context.Canceled},
		{"a mistake", mistake, mistake, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.EachQuorum, cql.All}, mistake},
		{"a node without the table", mistake, nil, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.EachQuorum, cql.All}, nil},
		{"a node without the table, the context ends", mistake, context.Canceled, []cql.Level{cql.EachQuorum, cql.All}, []cql.Level{cql.EachQuorum, cql.All}, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Session
			for _, want := range [][]cql.Level{test.first, test.second} {
				var asked []cql.Level
				err := s.reading(cql.EachQuorum, func(level cql.Level) error {
					asked = append(asked, level)
					if level == cql.All {
						return test.all
					}
					return test.each
				})
				require.Equal(t, test.want, err)
				require.Equal(t, want, asked)
			}
			require.NoError(t, s.reading(cql.LocalQuorum, func(level cql.Level) error {
				require.Equal(t, cql.LocalQuorum, level)
				return nil
			}))
		})
	}
}

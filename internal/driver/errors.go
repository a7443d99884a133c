package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

// passes reports whether a statement that failed with err may succeed at
// another try.
func passes(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || tooManyTombstones(err) {
		return false
	}
	var answer gocql.RequestError
	if !errors.As(err, &answer) {
		// A connection that broke, a host that is gone, no answer in time. Or a
		// value of the wrong type, or a session that was closed: those do not
		// pass.
		var misfit gocql.MarshalError
		return !errors.As(err, &misfit) && !errors.Is(err, gocql.ErrSessionClosed)
	}
	switch answer.Code() {
	case gocql.ErrCodeSyntax, gocql.ErrCodeInvalid, gocql.ErrCodeUnauthorized, gocql.ErrCodeConfig,
		gocql.ErrCodeCredentials, gocql.ErrCodeProtocol, gocql.ErrCodeAlreadyExists:
		return false
	}
	return true
}

// translate adds the error of package cql that says the same as err, if there
// is one.
func translate(err error) error {
	if tooManyTombstones(err) {
		return fmt.Errorf("%w: %w", cql.ErrTooManyTombstones, err)
	}
	return err
}

// tooManyTombstones reports whether a read met more tombstones than a node
// allows. Protocol 4 has no code for that, only a text.
func tooManyTombstones(err error) bool {
	var failure *gocql.RequestErrReadFailure
	return errors.As(err, &failure) && strings.Contains(failure.Message(), "TOMBSTONE")
}

// refusesEachQuorum reports whether the engine refused a statement because of
// its consistency level. If a node does not know a new table yet, it answers
// with the same code; the text is that of ScyllaDB, and of Cassandra before
// 4.0.
func refusesEachQuorum(err error) bool {
	var answer gocql.RequestError
	return errors.As(err, &answer) && strings.Contains(answer.Message(), "EACH_QUORUM")
}

// invalid reports whether the engine refuses a statement as invalid, or for its
// consistency level.
func invalid(err error) bool {
	var answer gocql.RequestError
	return errors.As(err, &answer) && (answer.Code() == gocql.ErrCodeInvalid || answer.Code() == gocql.ErrCodeProtocol)
}

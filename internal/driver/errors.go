package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

// passes reports whether it makes sense to try again what failed with err.
func passes(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || tooManyTombstones(err) {
		return false
	}
	var answer gocql.RequestError
	if !errors.As(err, &answer) {
		// A connection that broke, a host that is gone, no answer in time; or a
		// value that does not fit, which the first test has found.
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

// translate adds the error of package cql that says the same.
func translate(err error) error {
	if tooManyTombstones(err) {
		return fmt.Errorf("%w: %w", cql.ErrTooManyTombstones, err)
	}
	return err
}

// tooManyTombstones reports whether a read met more tombstones than a node
// allows. Protocol 4 has no code for it, only a text.
func tooManyTombstones(err error) bool {
	var failure *gocql.RequestErrReadFailure
	return errors.As(err, &failure) && strings.Contains(failure.Message(), "TOMBSTONE")
}

// refusesEachQuorum reports whether it was for its level that a statement was
// refused, and not because a node has not heard of a new table yet. The code is
// the same; the text is that of ScyllaDB, and of Cassandra before 4.0.
func refusesEachQuorum(err error) bool {
	var answer gocql.RequestError
	return errors.As(err, &answer) && strings.Contains(answer.Message(), "EACH_QUORUM")
}

// invalid reports whether the engine refuses a statement, or its consistency
// level, as such.
func invalid(err error) bool {
	var answer gocql.RequestError
	return errors.As(err, &answer) && (answer.Code() == gocql.ErrCodeInvalid || answer.Code() == gocql.ErrCodeProtocol)
}

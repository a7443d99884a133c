package mailbox_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

func TestDeleteErrorLetsErrorsLookInside(t *testing.T) {
	cause := errors.New("disk broke")
	err := fmt.Errorf("store: %w", &mailbox.DeleteError{Failed: map[string]error{
		"b": fmt.Errorf("%w: node down", mailbox.ErrTemporary),
		"a": cause,
	}})
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.ErrorIs(t, err, cause)
	require.NotErrorIs(t, err, mailbox.ErrNotFound)

	var partial *mailbox.DeleteError
	require.ErrorAs(t, err, &partial)
	require.Len(t, partial.Failed, 2)
	require.Equal(t, []error{cause, partial.Failed["b"]}, partial.Unwrap(), "in the order of the IDs")
}

func TestDeleteErrorSaysTheSameEveryTimeAndNotTooMuch(t *testing.T) {
	failed := make(map[string]error)
	for _, id := range []string{"d", "b", "c", "a"} {
		failed[id] = mailbox.ErrTemporary
	}
	for range 20 {
		require.EqualError(t, &mailbox.DeleteError{Failed: failed},
			`4 messages not removed; "a": temporary failure; "b": temporary failure; "c": temporary failure; ...`)
	}
	require.EqualError(t, &mailbox.DeleteError{Failed: map[string]error{"a": mailbox.ErrInUse}},
		`1 messages not removed; "a": mailbox in use`)
}

func TestDeleteErrorKeepsToOneLine(t *testing.T) {
	err := &mailbox.DeleteError{Failed: map[string]error{"a\r\n-ERR b\x00": mailbox.ErrTemporary}}
	require.EqualError(t, err, `1 messages not removed; "a\r\n-ERR b\x00": temporary failure`)
}

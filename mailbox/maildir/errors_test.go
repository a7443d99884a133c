package maildir

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// An error is temporary only if it is nothing else.
func TestAnErrorSaysOneThing(t *testing.T) {
	for _, known := range []error{
		mailbox.ErrNotFound, mailbox.ErrNoSuchUser, mailbox.ErrTooLarge, mailbox.ErrOverQuota,
		mailbox.ErrClosed, mailbox.ErrPermanent, context.Canceled, context.DeadlineExceeded,
	} {
		err := failed("open message", fmt.Errorf("%w: why", known))
		require.ErrorIs(t, err, known)
		require.NotErrorIs(t, err, mailbox.ErrTemporary)
	}
	require.ErrorIs(t, failed("open message", fs.ErrPermission), mailbox.ErrTemporary)
	require.ErrorIs(t, failed("open message", os.ErrClosed), mailbox.ErrClosed)
}

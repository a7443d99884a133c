package maildir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/popcask/popcask/mailbox"
)

// failed adds to err what was being done, and [mailbox.ErrTemporary] unless err
// already says what it is.
func failed(op string, err error) error {
	for _, known := range []error{
		mailbox.ErrNotFound, mailbox.ErrNoSuchUser, mailbox.ErrTooLarge, mailbox.ErrOverQuota,
		mailbox.ErrClosed, mailbox.ErrTemporary, mailbox.ErrPermanent,
		context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return fmt.Errorf("maildir: %s: %w", op, err)
		}
	}
	if errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("maildir: %s: %w: %w", op, mailbox.ErrClosed, err)
	}
	return fmt.Errorf("maildir: %s: %w: %w", op, mailbox.ErrTemporary, err)
}

func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }

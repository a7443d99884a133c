package mailbox

import (
	"context"
)

// Directory finds the user that a mail address belongs to, for RCPT TO. It is
// safe for concurrent use.
type Directory interface {
	// Lookup returns the user whose mailbox gets the mail for address. If there
	// is none, the error is [ErrNoSuchUser]. After any other error the sender
	// should try again later.
	Lookup(ctx context.Context, address string) (user string, err error)
}

package mailbox

import (
	"context"
)

// Directory finds the user behind a mail address, for RCPT TO. It is safe for
// concurrent use.
type Directory interface {
	// Lookup returns the name of the maildrop that mail for address goes to.
	// Nobody there is [ErrNoSuchUser]; any other error means that it could not
	// be found out now, and the sender should try again.
	Lookup(ctx context.Context, address string) (user string, err error)
}

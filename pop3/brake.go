package pop3

import (
	"context"

	"github.com/popcask/popcask/mailbox"
)

// Brake slows down those who guess passwords. It must be safe for concurrent
// use. [LocalBrake] is one in memory. A brake that several servers share could
// keep its failures where all of them see it.
type Brake interface {
	// Begin waits until credentials may be checked: until the client has waited
	// as long as the failures before deserve, and not too many other checks are
	// under way. The caller calls release once, after the check.
	//
	// An error refuses to check anything: the client is told to try again later,
	// and that counts as a failed try of its connection. It must not depend on
	// whether the user exists. Begin is called once for each login. login.User
	// is empty if the name is not known yet: see [CheckingExchange]. login has no
	// secrets, here and in Result. The context ends with Server.AuthTimeout, with
	// the connection, or if the server shuts down.
	Begin(ctx context.Context, login mailbox.Login) (release func(), err error)

	// Result notes how a login went: nil for one that succeeded, an error for
	// wrong credentials. A login that failed for another reason is not noted.
	Result(login mailbox.Login, err error)
}

// NoBrake is a [Brake] that never waits: for tests, and for hosts whose
// authenticators have brakes of their own.
var NoBrake Brake = noBrake{}

type noBrake struct{}

func (noBrake) Begin(context.Context, mailbox.Login) (func(), error) { return func() {}, nil }
func (noBrake) Result(mailbox.Login, error)                          {}

package mailboxtest

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Harness is the store under test and what the kit may do with it beyond the
// interfaces of package mailbox. Only Store is required.
type Harness struct {
	// Store is new for every check. Its maildrops may lie where those of
	// earlier checks lie (one database for the whole run): the users of a
	// check have names that no other check uses. The kit closes it.
	//
	// A Store that is a [mailbox.Appender] gets its mail by Append; one that is
	// a [mailbox.EventSource] is checked for its events.
	Store mailbox.Store

	// Deliver puts one message into the maildrop of user, for stores that are
	// no Appender. A session that is opened after it returned must list the
	// message. nil means that Store is an Appender.
	Deliver func(ctx context.Context, user string, body io.Reader) error

	// Login makes the login of a user, for stores that check credentials. nil
	// means one with the user's name alone.
	Login func(user string) mailbox.Login

	// Reopen returns a store on the same mail after Store was closed, as a
	// restart of the program would. nil means that the mail ends with the
	// Store.
	Reopen func(t testing.TB) mailbox.Store

	// Break makes what the store stands on fail (its disk, its network) until
	// mend is called; when mend returns, everything works again. Calls
	// meanwhile may fail or succeed, but must not lie. nil means that the kit
	// cannot break anything.
	Break func(t testing.TB) (mend func())

	// patience is how long the kit waits for what should happen at once,
	// before it says that it does not happen. 0 means 30 seconds.
	patience time.Duration
}

// Run checks the store that open returns; each check is a subtest with a
// harness of its own. It may be called with t.Parallel around it, but the
// checks themselves run one after the other.
func Run(t *testing.T, open func(t testing.TB) Harness) {
	t.Helper()
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) {
			check.run(newSuite(t, open))
		})
	}
}

// check is one thing that a store must get right.
type check struct {
	name string
	run  func(*suite)
}

var checks = []check{
	{"EmptyMaildrop", emptyMaildrop},
	{"ListingIsWholeAndOldestFirst", listingIsWholeAndOldestFirst},
	{"ListingIsOrderedByDeliveryNotByDate", listingIsOrderedByDeliveryNotByDate},
	{"ListingMayBeLeftEarly", listingMayBeLeftEarly},

	{"Octets", octetsOfEveryKind},
	{"OctetsAtChunkBorders", octetsAtChunkBorders},
	{"ReaderKeepsTheRulesOfReaders", readerKeepsTheRulesOfReaders},
	{"OpenUnknown", openUnknown},
	{"OpenIsForTheOwnMaildrop", openIsForTheOwnMaildrop},
	{"Top", topIsNeverLess},
	{"NextIsAdvice", nextIsAdvice},

	{"IDsAndUIDLs", idsAndUIDLs},
	{"IDsAndUIDLsAreNeverReused", idsAndUIDLsAreNeverReused},
	{"ForeignUIDL", foreignUIDL},
	{"ForeignUIDLTwice", foreignUIDLTwice},
	{"ForeignUIDLPerMaildrop", foreignUIDLPerMaildrop},

	{"Delete", deleteBatch},
	{"DeleteAbsent", deleteAbsent},
	{"DeleteIsForTheOwnMaildrop", deleteIsForTheOwnMaildrop},
	{"CloseDeletesNothing", closeDeletesNothing},
	{"TwoSessionsLoseNothing", twoSessionsLoseNothing},
	{"TwoSessionsOneMessage", twoSessionsOneMessage},

	{"CanonicalUsers", canonicalUsers},
	{"NobodysNames", nobodysNames},
	{"HostileNames", hostileNames},

	{"SeveralRecipients", severalRecipients},
	{"SameRecipientTwice", sameRecipientTwice},
	{"RecipientsFailOnTheirOwn", recipientsFailOnTheirOwn},
	{"BodyThatFails", bodyThatFails},
	{"NothingIsVisibleBeforeItIsComplete", nothingIsVisibleBeforeItIsComplete},
	{"ConcurrentDeliveriesAndSessions", concurrentDeliveriesAndSessions},

	{"CancelledListing", cancelledListing},
	{"CancelledOpen", cancelledOpen},
	{"CancelledDelete", cancelledDelete},
	{"CancelledAppend", cancelledAppend},
	{"BrokenStore", brokenStore},

	{"ListenersHear", listenersHear},
	{"ListenersHarmNothing", listenersHarmNothing},
	{"CloseDrainsListeners", closeDrainsListeners},
	{"CloseGivesUpWithItsContext", closeGivesUpWithItsContext},
	{"AfterClose", afterClose},
	{"Reopen", reopenFindsEverything},
	{"ReopenForgetsNoUIDL", reopenForgetsNoUIDL},
}

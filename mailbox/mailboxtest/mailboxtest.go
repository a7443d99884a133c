package mailboxtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/mailbox"
)

// Harness is the store under test, and what the kit can do with it in addition
// to the interfaces of package mailbox. Only Store is required.
type Harness struct {
	// Store is new for every check. The checks of a run may share one database:
	// the users of a check have names that no other check uses. The kit closes
	// the store.
	//
	// If it is a [mailbox.Appender], it gets its mail by Append. If it is a
	// [mailbox.EventSource], its events are checked.
	Store mailbox.Store

	// Deliver delivers one message to user, for stores that are no Appender. A
	// session that is opened after it returned nil must list the message. It is
	// called from several goroutines. If the body cannot be read to its end, it
	// returns an error and delivers nothing. If the store cannot hold such a
	// message, its error is [errors.ErrUnsupported]. nil means that Store is an
	// Appender.
	Deliver func(ctx context.Context, user string, body io.Reader) error

	// Login returns the login of a user, for stores that check credentials. nil
	// means one that has only the name of the user.
	Login func(user string) mailbox.Login

	// Reopen returns a store with the same mail after Store was closed, as a
	// restart of the program would. From then on, Deliver delivers to that store.
	// nil means that the mail is gone with Store.
	Reopen func(t testing.TB) mailbox.Store

	// Break makes the disk, the network or whatever else the store uses fail
	// until mend is called. When mend returns, everything works again. Until
	// then calls may fail, succeed, or wait for the end of their context, but
	// they must tell the truth. nil means that the kit cannot break anything.
	Break func(t testing.TB) (mend func())

	// patience is how long the kit waits for something that should happen at
	// once before it fails. 0 means 30 seconds.
	patience time.Duration
}

// Run checks the store that open returns. Each check is a subtest with a
// harness of its own. The test that calls Run may be parallel; the checks run
// one after the other. In the end Run logs what was skipped, and why.
func Run(t *testing.T, open func(t testing.TB) Harness) {
	t.Helper()
	var skipped []string
	for _, check := range checks {
		t.Run(check.name, func(t *testing.T) { check.on(t, open, &skipped) })
	}
	if len(skipped) > 0 {
		t.Logf("mailboxtest did not check everything. Skipped:\n%s", strings.Join(skipped, "\n"))
	}
}

// check is one thing that a store must get right.
type check struct {
	name string
	run  func(*suite)
}

// on runs the check on a new store, and adds what it skips.
func (c check) on(t testing.TB, open func(t testing.TB) Harness, skipped *[]string) {
	s := &suite{TB: t, domain: strings.ToLower(rand.Text()) + ".example"}
	defer func() { // a skip ends the goroutine
		if t.Skipped() && s.skipped == nil {
			s.skipped = []string{"the harness skips"}
		}
		for _, reason := range s.skipped {
			*skipped = append(*skipped, c.name+": "+reason)
		}
	}()
	s.Harness = open(t)
	s.patience = cmp.Or(s.patience, 30*time.Second)
	t.Cleanup(func() { s.closeStore() })
	c.run(s)
}

var checks = []check{
	{"EmptyMailbox", emptyMailbox},
	{"ListingIsWholeAndOldestFirst", listingIsWholeAndOldestFirst},
	{"ListingIsOrderedByDeliveryNotByDate", listingIsOrderedByDeliveryNotByDate},
	{"ListingMayBeLeftEarly", listingMayBeLeftEarly},

	{"Octets", octetsOfEveryKind},
	{"OctetsAtChunkBorders", octetsAtChunkBorders},
	{"ReaderKeepsTheRulesOfReaders", readerKeepsTheRulesOfReaders},
	{"MeasureAndRetrieve", measureAndRetrieve},
	{"Sizer", sizerTellsTheSize},
	{"OpenUnknown", openUnknown},
	{"OpenIsForTheOwnMailbox", openIsForTheOwnMailbox},
	{"Top", topIsNeverLess},
	{"NextIsAdvice", nextIsAdvice},

	{"IDsAndUIDLs", idsAndUIDLs},
	{"IDsAndUIDLsAreNeverReused", idsAndUIDLsAreNeverReused},
	{"ForeignUIDL", foreignUIDL},
	{"ForeignUIDLTwice", foreignUIDLTwice},
	{"ForeignUIDLPerMailbox", foreignUIDLPerMailbox},

	{"Delete", deleteBatch},
	{"DeleteAbsent", deleteAbsent},
	{"DeleteIsForTheOwnMailbox", deleteIsForTheOwnMailbox},
	{"CloseDeletesNothing", closeDeletesNothing},
	{"Receipter", receiptsAreTaken},
	{"TwoSessionsLoseNothing", twoSessionsLoseNothing},
	{"TwoSessionsOneMessage", twoSessionsOneMessage},

	{"CanonicalUsers", canonicalUsers},
	{"ImpossibleNames", impossibleNames},
	{"HostileNames", hostileNames},

	{"SeveralRecipients", severalRecipients},
	{"SameRecipientTwice", sameRecipientTwice},
	{"RecipientsFailOnTheirOwn", recipientsFailOnTheirOwn},
	{"BodyThatFails", bodyThatFails},
	{"NothingIsVisibleBeforeItIsComplete", nothingIsVisibleBeforeItIsComplete},
	{"ConcurrentDeliveriesAndSessions", concurrentDeliveriesAndSessions},

	{"SessionOutlivesContexts", sessionOutlivesContexts},
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

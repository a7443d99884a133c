package indextest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/popcask/popcask/cassandra"
)

// Run checks an index; each check is a subtest, and says in one sentence what
// is wrong and which rule that breaks. The session is that of the index. Its
// keyspace is best a new one, and no one else writes to it meanwhile: the
// entries that the checks add stay there, in mailboxes that only they use, and
// those that scan read all that there is.
//
// The checks run one after the other. With go test -short they use fewer
// messages.
func Run(t *testing.T, session *cassandra.Session, index cassandra.Index) {
	t.Helper()
	s := newSuite(session, index)
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.try(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
}

// check is one thing that an index must get right.
type check struct {
	name string
	run  func(context.Context, *suite)
}

var checks = []check{
	{"EmptyMailbox", emptyMailbox},
	{"EntriesAreKept", entriesAreKept},
	{"MailboxesAreApart", mailboxesAreApart},
	{"ListingIsWholeAndInOrder", listingIsWholeAndInOrder},
	{"SlicesAreExact", slicesAreExact},
	{"SlicesOfIDs", slicesOfIDs},
	{"BucketsOfAllWidths", bucketsOfAllWidths},
	{"LevelsAgree", levelsAgree},

	{"RemovedFromSeveralBuckets", removedFromSeveralBuckets},
	{"CallsInEveryOrder", callsInEveryOrder},
	{"CallsAtRandom", callsAtRandom},
	{"TooOld", tooOld},
	{"EndedCalls", endedCalls},
	{"ConcurrentCalls", concurrentCalls},

	{"ListingsAreLazy", listingsAreLazy},
	{"ListingsMayBeLeftEarly", listingsMayBeLeftEarly},
	{"EndedListings", endedListings},

	{"ScanIsInTheOrderOfTheTokens", scanIsInTheOrderOfTheTokens},
	{"ScanOfStretches", scanOfStretches},
	{"ScanAgreesWithTheListings", scanAgreesWithTheListings},
}

// try runs a check. The error is what the index does wrong.
func (c check) try(ctx context.Context, s *suite) error { return attempt(func() { c.run(ctx, s) }) }

// attempt returns the violation that ends a check, or a part of one.
func attempt(do func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case violation:
			err = p
		default:
			panic(p)
		}
	}()
	do()
	return nil
}

// violation is a rule that is broken, and how. A check panics with it, so that
// its helpers need not return it.
type violation struct {
	rule     rule
	sentence string
}

// Error is one sentence, on one line, and the rule.
func (v violation) Error() string { return fmt.Sprintf("%s (rule: %s)", v.sentence, v.rule) }

// breaks ends the check.
func breaks(r rule, format string, args ...any) {
	panic(violation{r, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")})
}

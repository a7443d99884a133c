// Package mailboxtest is the conformance kit for stores: what [fstest.TestFS]
// is for file systems. Whoever implements [mailbox.Store] runs it, and it says,
// one sentence a failure, what is wrong and which rule that breaks.
//
//	func TestConformance(t *testing.T) {
//		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
//			return mailboxtest.Harness{Store: newMyStore(t)}
//		})
//	}
//
// Run it under the race detector: several checks use the store from many
// goroutines. The checks that need a power which the store does not have (see
// [Harness]) are skipped and say so.
//
// # What the kit holds a store to
//
// The comments in package mailbox, RFC 1939, and the promises that the stores
// of this module share and that failures cite by their numbers:
//
//   - P1 A delivery that was acknowledged is listed in every later session.
//   - P2 What is listed can be retrieved octet for octet as stored, or the
//     answer is a temporary error: never "no such message".
//   - P3 What was deleted is never listed again.
//   - P4 After a failed Delete each message is wholly there or wholly gone.
//   - P5 A UIDL is unique, never changes and is never reused.
//   - P6 The size that is listed equals the octets that are retrieved.
//
// # What two sessions on one maildrop may see
//
// A store may refuse the second session with [mailbox.ErrInUse]; the checks
// with two sessions are then skipped. A store that lets it in keeps to this:
//
//   - Two sessions lose nothing: what is gone in the end is what one of them
//     or both deleted, and a delivery that came meanwhile is there.
//   - A message that the other session deleted is ErrNotFound to Open, or comes
//     whole. Anything between is wrong.
//   - Deleting what the other session deleted before is a success.
//   - A listing shows the maildrop at some moment since the session was opened;
//     one session need not see what came or went after its listing began.
//
// # What it does not check
//
// Whether mail outlives a power cut, and what several data centres see of each
// other: that takes means which only the store's own tests have.
// [Harness.Break] and [Harness.Reopen] cover the part that can be had in one
// process.
//
// [fstest.TestFS]: https://pkg.go.dev/testing/fstest#TestFS
package mailboxtest

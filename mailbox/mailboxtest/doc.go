// Package mailboxtest is the conformance kit for stores, as [fstest.TestFS] is
// for file systems. Run it in the tests of every implementation of
// [mailbox.Store]. Each failure is one sentence, which says what is wrong and
// which rule that breaks.
//
//	func TestConformance(t *testing.T) {
//		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
//			return mailboxtest.Harness{Store: newMyStore(t)}
//		})
//	}
//
// Run it under the race detector: several checks use the store from many
// goroutines.
//
// # What is skipped
//
// A store that takes no deliveries itself needs [Harness.Deliver], and most
// checks need no more. A check that needs something which the store or the
// Harness does not have is skipped: an [mailbox.Appender] for several recipients
// and foreign unique-ids, an [mailbox.EventSource], a [mailbox.Sizer], a
// [mailbox.Receipter], Reopen, Break.
//
// Not every store can hold every message: IMAP has no empty one, and a gateway
// may be unable to hold a message without a header, a bare CR or NUL. If such a
// delivery, by Deliver or Append, returns [errors.ErrUnsupported], wrapped or
// not, that kind of message is left out and the others are still checked. What
// the kit delivers where the octets do not matter is ordinary mail: ASCII, with
// From, Date, Subject and Message-ID, in CRLF lines of less than 78 octets. A
// store must take it: if it is unsupported, the check fails.
//
// Run logs at its end everything that was skipped, with the reasons; go test -v
// shows it.
//
// # The rules
//
// The rules are the comments in package mailbox, RFC 1939, and these promises of
// the stores of this module, which failures cite by their numbers:
//
//   - P1 A delivery that was acknowledged is listed in every later session.
//   - P2 What is listed can be retrieved octet for octet as stored, or the
//     answer is a temporary error: never "no such message".
//   - P3 What was deleted is never listed again.
//   - P4 After a failed Delete each message is wholly there or wholly gone.
//   - P5 A UIDL is unique, never changes and is never reused.
//   - P6 The size that is listed equals the octets that are retrieved. An
//     unknown size, which is negative, is no breach.
//
// # What two sessions on one mailbox may see
//
// A store may refuse the second session with [mailbox.ErrInUse]; the checks with
// two sessions are then skipped. A store that lets it in must keep these rules:
//
//   - Two sessions lose nothing. What is gone in the end is what one of them or
//     both deleted, and a delivery that came in the meantime is there.
//   - Open of a message that the other session deleted returns ErrNotFound or
//     the whole message, nothing in between.
//   - Deleting what the other session has deleted is a success.
//   - A listing shows the mailbox at some moment since the session was opened.
//     A session need not see what came or went after its listing began.
//
// # What it does not check
//
// The kit cannot check whether mail survives a power cut, nor what several data
// centres see of each other: only the store's own tests can. [Harness.Break] and
// [Harness.Reopen] cover the part that is possible within one process.
//
// [fstest.TestFS]: https://pkg.go.dev/testing/fstest#TestFS
package mailboxtest

// Package mailbox is the border between a POP3 server and a store: everything
// that the server of package pop3 needs of a store, and nothing more. It knows
// no protocol and no database, so that a store can be anything: a directory of
// files, a database cluster, another server.
//
// The stores of this module are mailbox/memory for tests, mailbox/maildir for
// one machine, and cassandra for a cluster.
//
// # Writing a store
//
// Implement [Store] and [Mailbox]: six methods in all. Add [Appender] if the
// store takes deliveries, and [EventSource] if it notifies listeners. Then run
// the conformance kit, package mailboxtest. It says what is wrong and which
// rule that breaks:
//
//	func TestConformance(t *testing.T) {
//		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
//			return mailboxtest.Harness{Store: newMyStore(t)}
//		})
//	}
//
// The rules in short:
//
//   - A message has an ID that no other message of the mailbox ever gets.
//   - A listing is complete or an error, oldest first, and always in the same
//     order.
//   - What is listed can be opened until it is removed. [ErrNotFound] means that
//     the message is gone for certain; one that is only out of reach is
//     [ErrTemporary].
//   - Removing a message that is not there is a success. A message is removed
//     wholly or not at all.
//   - Open and Append make user names canonical in the same way
//     ([CanonicalUser]).
//   - [Message.Size] counts the canonical form ([CanonicalReader]), or is
//     negative.
//
// The server does the rest: message numbers, delete marks, totals, legal and
// distinct unique-ids, line ends, byte-stuffing, TOP.
//
// # Using a store
//
// Programs that use a store without a server have helpers: [Deliver] delivers a
// message to one user, [List] lists a mailbox, [ReadMessage] reads a message.
package mailbox

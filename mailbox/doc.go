// Package mailbox is what a POP3 server needs of a store, and nothing more. It
// knows no protocol and no database, so that any store can stand behind package
// pop3: a directory of files, a cluster, another server.
//
// # For somebody who writes a store
//
// Implement [Store] and [Mailbox]: six methods in all. Add [Appender] if the
// store takes deliveries. Then run the conformance kit, package mailboxtest,
// which says what is wrong and which rule it breaks:
//
//	func TestConformance(t *testing.T) {
//		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
//			return mailboxtest.Harness{Store: newMyStore(t)}
//		})
//	}
//
// The rules in short:
//
//   - A message has an ID that no other message of the maildrop ever gets.
//   - A listing is complete or an error, oldest first, and always in the same
//     order.
//   - What is listed can be opened until it is removed. [ErrNotFound] means gone
//     for certain; whatever is merely out of reach is [ErrTemporary].
//   - Removing what is not there is a success. A message is removed wholly or
//     not at all.
//   - Open and Append make user names canonical in the same way
//     ([CanonicalUser]).
//   - [Message.Size] counts the canonical form ([CanonicalReader]), or is
//     negative.
//
// The server does the rest: message numbers, delete marks, sums, unique-ids that
// are legal and distinct, line ends, byte-stuffing, TOP.
//
// Stores that come with this module: mailbox/memory for tests, mailbox/maildir
// for one machine.
package mailbox

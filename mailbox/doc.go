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
// store takes deliveries, and [EventSource] if it notifies listeners. The example
// named Store is a small store to begin with. Then run the conformance kit,
// package mailboxtest. It says what is wrong and which rule that breaks:
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
// # Contexts
//
// Every call has a context of its own. It ends if the call takes longer than
// the server allows (pop3.Server.StoreTimeout), or with the connection; that of
// Delete ends with the time only. A call whose context has ended returns an
// error soon, whatever it waits for. A listing or a reader does not just end: it
// returns an error, never [io.EOF].
//
// A session outlives a cancelled call: if no octet of the answer was sent, the
// client hears -ERR and goes on, and the next calls must work. A store whose
// connection to another server does not survive a call that was broken off makes
// a new one for the next call.
//
// Contexts end soon after their calls have returned. That of [Store.Open] is
// over once the login is, so the mailbox must not depend on it.
//
// # Sizes
//
// A size is the number of octets of the canonical form, which is what a client
// gets. What another server announces is often something else: RFC822.SIZE of
// IMAP, the LIST of another POP3 server, or the size of a stored object may count
// other line ends, or the message as it was before something changed it. A
// gateway lists -1 unless it is certain, or counts.
//
// If a size is wrong, the server announces it all the same, in LIST and after
// RETR, and sends the whole message. Then it reports the difference to the host
// (pop3.Hooks.Fault). What a client does with a message of another size than it
// was told is its own affair.
//
// If a size is unknown, the server reads the whole message to answer LIST n, and
// all of them to answer LIST or STAT, with which most clients begin. It
// remembers the sizes for the session. So:
//
//   - If a listing gets the sizes at no cost, list them.
//   - If one question for one message is much cheaper than to read it, list -1
//     and implement [Sizer].
//   - If only reading tells, list -1 and nothing more. A message never changes,
//     so a store may remember for later sessions what it has counted once.
//
// # Wrappers
//
// A type that embeds a Store, a Mailbox or a reader hides every interface that
// it does not name. A wrapper must forward these, or this is lost:
//
//   - [Appender] of a store: nothing can be delivered through the wrapper.
//   - [EventSource] of a store: listeners cannot be added, so nobody is notified
//     and nothing is counted or indexed.
//   - [Expirer] of a store: clients are not told how long mail stays.
//   - [Sizer] of a mailbox: each message of unknown size is read to be counted.
//   - [Receipter] of a mailbox: the store never learns what was retrieved, so
//     that nothing is marked as seen or expires.
//   - [CanonicalBody] of a reader: the server looks for line ends in every octet.
//     A wrapper that changes octets must not forward it.
//   - [io.WriterTo] of a reader: the octets are copied once more. A wrapper that
//     changes or counts octets must not forward it as it is, or they go past it.
//
// If a wrapper does not know what it wraps, its Size returns -1, its Retrieved
// nil and its IsCanonical false for what has none of its own; the example named
// Wrapper does that.
//
// # Using a store
//
// Programs that use a store without a server have helpers: [Deliver] delivers a
// message to one user, [List] lists a mailbox, [ReadMessage] reads a message.
package mailbox

// Package cassandra is a mail store that is at home in several data centres. It
// uses no lightweight transactions: no IF, no SERIAL, no Paxos, so every data
// centre delivers and serves mail at its own latency, and goes on when the
// others are cut off.
//
//	session, err := cassandra.Connect(ctx, cassandra.Config{
//		Hosts: hosts, LocalDC: "paris", Keyspace: "mail",
//	})
//	store, err := cassandra.NewStore(session, projection.New(session))
//
// [Migrate] makes the keyspace and its tables, once. A [Store] is a
// mailbox.Store and a mailbox.Appender. Its listing is kept by an [Index], of
// which package projection has one.
//
// # How it does without transactions
//
// A message has a time-based UUID, which any host can mint without asking
// anybody. A mailbox is a set of them to which an ID is added once and from
// which it is removed once, and remove wins. Every write about a message carries
// a timestamp that is computed from its ID: t(id) for what adds it, one
// microsecond more for the mark that it is removed, two more for the final
// deletes. So retries, hints, replays, two sessions, two data centres and a
// repair may come in any order, and the result is the same.
//
// # What is promised
//
//   - An acknowledged delivery is on a quorum of the local data centre: content,
//     membership and listing. Every later session there lists it; sessions
//     elsewhere do when it has been replicated.
//   - What is listed can be read as it was stored, or the error is temporary.
//     What is not in this data centre yet is looked for in every other one, and
//     only that answer can be "no such message".
//   - What a session removed is never listed again in that data centre, and
//     elsewhere not once it has been replicated; provided that the cluster is
//     repaired within gc_grace_seconds, as it always must be.
//   - A message is removed wholly or not at all. Where a removal fails halfway, a
//     repair finishes it.
//
// Not promised: exactly one copy. A sender that got no answer sends again.
//
// # Consistency levels
//
// Deliveries, listings, reads and removals are at LOCAL_QUORUM. Misses and
// repairs read at EACH_QUORUM (ALL where the engine refuses that), which meets
// every LOCAL_QUORUM acknowledgement of any data centre. A data centre that does
// not answer makes a miss a temporary error, at once after the first few. A
// message with a foreign unique-id, of a migration, is written at EACH_QUORUM, so
// that no two show it.
//
// # What it costs
//
// A small delivery is three mutations and one read of a small partition, in two
// round trips; opening a mailbox is one round trip where this process has
// delivered to it or listed it before, else two; reading a small message is one
// read; removing 100 messages is about 110 statements.
//
// PROMISES.md, beside this file, has the promises with the tests that keep them,
// and what happens when things break.
package cassandra

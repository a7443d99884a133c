// Package cassandra is a mail store for several data centres. It uses no
// lightweight transactions (no IF, no SERIAL, no Paxos): every data centre
// delivers and serves mail at its own latency, and goes on if the others are
// cut off.
//
// [Migrate] creates the keyspace and its tables, once. [Open] connects to it:
//
//	store, err := cassandra.Open(ctx, cassandra.Config{
//		Hosts: []string{"10.0.0.1", "10.0.0.2"}, LocalDC: "paris", Keyspace: "mail",
//	}, projection.New)
//	if err != nil {
//		return err
//	}
//	defer store.Close(ctx)
//
// A [Store] is a mailbox.Store and a mailbox.Appender. A host that needs the
// [Session] for itself calls [Connect] and [NewStore], and closes both.
//
// For nodes that demand TLS, a client certificate or a password there are
// [Config.TLS], [Config.Username] and [Config.Password]. What a node refuses is
// [ErrTLS] or [ErrLogin].
//
// [Config.Cluster] gives a host its own settings of the driver, gocql: another
// authenticator, a dialer, address translation, compression. A setting that
// would break a promise is an error that names it.
//
// # Indexes
//
// What lists a mailbox is an [Index]. Package projection has one; another one
// can be written with [Session.DB] and package cassandra/cql, whose statements
// keep the rule of the timestamps below. Package projection is an example of
// that: it uses nothing else.
//
// # How it works without transactions
//
// A message has a time-based UUID, which any process can mint by itself. A
// mailbox is a set of such IDs. An ID is added once and removed once, and the
// removal wins.
//
// Every write about a message carries a timestamp that is computed from its ID:
// t(id) for the writes that add it, t(id) + 1 µs for the mark that it is
// removed, t(id) + 2 µs for the final deletes. So retries, hints, replays, two
// sessions, two data centres and a repair may come in any order: the result is
// the same.
//
// # What is promised
//
//   - An acknowledged delivery is on a quorum of the local data centre:
//     content, membership and listing. Every later session of that data centre
//     lists it, until it is removed or expires; sessions of other data centres
//     do after replication.
//   - One replica of a message may forget what it acknowledged, because it was
//     replaced or killed: nothing turns "one replica still has it" into "gone".
//   - A message that is listed can be read as it was stored, or the error is
//     temporary. Content that is not in this data centre is looked for in every
//     other one, and only an answer of every replica can be "no such message".
//   - A message that a session has removed is never listed again in that data
//     centre, nor in another one after replication; provided that the cluster
//     is repaired within gc_grace_seconds, as Cassandra always demands.
//   - A message is removed wholly or not at all. If a removal fails halfway, a
//     repair finishes it.
//
// Exactly one copy is not promised: a sender that got no answer sends again.
//
// # Consistency levels
//
// Deliveries, listings, reads and removals are at LOCAL_QUORUM. Repairs, and
// reads of content that was missing, are at EACH_QUORUM (at ALL, if the engine
// does not read at EACH_QUORUM). What says that something is gone, hides it or
// removes it because parts of it are missing is at ALL: it waits while a replica
// is away, and is a temporary error to a client. After the first few misses it
// is one at once.
//
// A message with a foreign unique-id, as a migration has them, writes its claim
// at EACH_QUORUM and looks for others at ALL, so that no two messages show the
// same one. The rest of its delivery is like any other.
//
// # What it keeps small
//
// A removed message leaves a tombstone for ten days, and a read that meets
// 100,000 of them fails. So a bucket from which much was removed gets a seal:
// the list of those IDs, of all up to a time, that may ever be listed again.
// Sessions read these by their keys. A mailbox that gets much mail has narrower
// buckets: see [Config.BucketMessages]. What [Store.Stats] returns says how much
// waits.
//
// # What it costs
//
//   - A small delivery: three mutations and one read of two small rows, in two
//     round trips; one batch more for the first one of a bucket.
//   - Opening a mailbox: two round trips.
//   - Reading a small message: one read.
//   - Removing 100 messages: about 110 statements.
//
// # Retention
//
// With [Config.Expire] mail that is older is listed no more. Sessions remove most
// of it in the background, [Store.ExpireAll] the rest.
//
// PROMISES.md, in this folder, has the promises with the tests that keep them,
// and says what happens when things break. OPERATING.md has the options of the
// tables, of the nodes and of the driver that an operator may want to change.
package cassandra

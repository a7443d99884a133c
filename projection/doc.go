// Package projection keeps and reads the table that lists a mailbox by message
// ID and size: what STAT, LIST and UIDL of a POP3 session are answered from.
//
//	store := cassandra.NewStore(session, projection.New(session))
//
// It is a [cassandra.Index]: the store tells it of every message before a
// delivery is acknowledged, and before a removal is. Its rows carry timestamps
// that are computed from the message IDs, so that a call that comes twice, late,
// in any order, or out of a crashed process changes nothing that it should not:
// in particular nothing that was removed comes back.
//
// A mailbox has a partition for each bucket of time that got mail. Listing reads
// them side by side and hands them on in order. A stretch in which a node meets
// more tombstones than it allows is halved by time and read again, down to a
// millisecond: tombstones cost time, never the mailbox.
package projection

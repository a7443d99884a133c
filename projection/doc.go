// Package projection keeps and reads the table that lists a mailbox by message
// ID and size: what STAT, LIST and UIDL of a POP3 session are answered from.
//
//	store, err := cassandra.Open(ctx, config, projection.New)
//
// It is a [cassandra.Index]: the store tells it of every message before a
// delivery is acknowledged, and before a removal is. Its rows carry timestamps
// that are computed from the message IDs. So a call that comes twice, late or
// out of order, or from a process that crashed, does no harm: nothing that was
// removed comes back.
//
// A mailbox has a partition for each bucket that got mail. A listing reads
// several slices of them at a time, and yields them in order. A slice that names
// its messages is read by their keys, and meets no tombstones of others. Any
// other in which a node meets more tombstones than it allows is read again in
// eight parts, and so on, down to a millisecond: tombstones cost time, but the
// listing stays whole.
package projection

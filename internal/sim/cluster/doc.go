// Package cluster is a Cassandra cluster in memory, for the statements that
// package cql can build. It is a data structure: it has no goroutines and no
// clock. The caller says which replica a message reaches, and when.
//
//	c := cluster.New(cluster.DC{Name: "dc1", Nodes: 3, Replicas: 3})
//	err := c.Define("CREATE TABLE IF NOT EXISTS ...")
//	m, err := c.Mutation([]cql.Write{{Statement: insert, Timestamp: 1, Values: values}}, now)
//	missed, err := c.Write(cql.LocalQuorum, "dc1", m, env)
//	r, err := c.NewRead(selection, nil, values)
//	page, err := c.Read(cql.LocalQuorum, "dc1", r, env)
//
// One goroutine uses a [Cluster] at a time. Several clones of a cluster may be
// used side by side.
//
// # What is modelled
//
// The tests compare it with real nodes of Cassandra 5.0.6, statement by
// statement.
//
//   - Cells with timestamps: the last write wins. At equal timestamps a
//     tombstone wins, else the larger value, octet by octet.
//   - The liveness of a row that was inserted; tombstones of cells, rows and
//     partitions; static columns, and the row that a partition without rows has
//     because of them.
//   - SELECT by key, by slice, by IN, by token; DISTINCT, LIMIT and pages.
//   - Placement by tokens and NetworkTopologyStrategy.
//   - Consistency levels, of writes and of reads: Unavailable and time-outs.
//   - Blocking read repair of exactly what was read.
//   - Tombstones that a read meets on each replica, the thresholds for a
//     warning and a failure, gc_grace_seconds.
//   - A node that was killed and has lost its last writes, one that lost its
//     disk, streaming, repair, compaction, snapshots.
//
// # What is not
//
//   - Digests: a read has one round of messages, and a second one only for read
//     repair. The further requests of a short read are not messages, and their
//     tombstones are counted from where the first answer ended.
//   - Speculative retry, of reads and of read repair.
//   - Several ranges of the ring that are read at the same time.
//   - Where vnodes really are: a node has a few tokens, computed from its name.
//     Racks.
//   - Memtables, files, and what a read skips in each of them because of their
//     timestamps. A compaction is one of all files.
//   - The commit log, except the writes that [Node.Forget] takes back.
//   - Hints: [Cluster.Write] names the replicas that missed a write.
//   - Clocks of coordinators and replicas that differ.
//   - Incremental repair, and only_purge_repaired_tombstones.
//   - TTL, counters, lightweight transactions, logged batches, views, indexes,
//     collections, range tombstones, a DELETE of single columns, descending
//     clustering order, writetime: package cql cannot build statements with
//     them.
//   - Schema disagreement, and changes of a schema other than
//     gc_grace_seconds.
//   - Sizes: of a batch, a mutation, a partition, a page in octets.
//   - The level of the write that a read repair makes beside the replicas that
//     were asked: all of these must acknowledge it.
package cluster

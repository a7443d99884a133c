// Package driver runs the statements of package cql. It alone
// works with gocql, the driver for Cassandra, and keeps rules that gocql does
// not. (Package cassandra names gocql in Config.Cluster, and no more.)
//
//   - A retry sends the same values with the same timestamp. Every statement is
//     idempotent and says so. (The driver's own retries end when it has asked
//     each host once.)
//   - Statements go only to nodes of the local data centre. If that data centre
//     does not exist, Connect fails; it does not fall back to another one.
//   - A node that gave no answer lately is asked last. If no node has answered
//     for a while, the gocql session is replaced by a new one, which resolves
//     the hosts again.
//   - Settings of the host that would break any of this are errors.
package driver

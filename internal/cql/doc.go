// Package cql is the one place that knows the Cassandra driver, so that another
// driver would touch one folder. It keeps the rules that the driver does not:
//
//   - Every statement names its columns, its consistency level and, where it
//     writes, its timestamp; all of them are idempotent and say so.
//   - A retry sends the same values with the same timestamp. (The driver's own
//     retries stop when the hosts are exhausted, and its default timestamp is the
//     moment at which a frame is built, so that a retried INSERT outlives a
//     DELETE.)
//   - Only nodes of the local data centre are spoken to. A data centre that does
//     not exist is an error, not a silent fall-back to another one.
//   - No lightweight transactions: there is no way to say IF or SERIAL here.
package cql

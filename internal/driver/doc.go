// Package driver is the one place that knows the Cassandra driver, so that another
// driver would touch one folder. It runs the statements of package cql, and keeps
// the rules that the driver does not:
//
//   - A retry sends the same values with the same timestamp. (The driver's own
//     retries stop when the hosts are exhausted.) Every statement is idempotent and
//     says so.
//   - Only nodes of the local data centre are spoken to. A data centre that does
//     not exist is an error, not a silent fall-back to another one.
//   - A node that gave no answer lately is asked last; if no node has answered for
//     a while, the driver is replaced by one that resolves the hosts anew.
//   - What a host sets of the driver may not break any of that.
package driver

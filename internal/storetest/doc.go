// Package storetest has what the tests of the Cassandra store share: keyspaces
// and stores that end with their test, mail, what must hold of a mailbox, and a
// look at the tables behind the store's back.
//
//	cluster := cassandratest.Start(t, cassandratest.Topology{})
//	config := storetest.Migrate(t, cluster)
//	store := storetest.NewStore(t, config)
//	storetest.Deliver(t, store, "anna@example.org", storetest.Body(1))
//	storetest.Holds(t, store, "anna@example.org", storetest.Body(1))
//
// It watches P9 for them: every session that it makes fails its test on a
// statement that would be a lightweight transaction ([CheckP9]), and every
// keyspace is looked for in the nodes' system.paxos (package paxostest).
//
// What takes a testing.TB fails that test. What has a name that begins with Try,
// [Read] and [Import] return errors, for tests in which things go wrong.
package storetest

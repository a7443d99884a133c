// Package storetest has what the tests of the Cassandra store share: keyspaces
// and stores that end with their test, mail, checks of mailboxes, and access to
// the tables past the store.
//
//	cluster := cassandratest.Start(t, cassandratest.Topology{})
//	config := storetest.Migrate(t, cluster)
//	store := storetest.NewStore(t, config)
//	storetest.Deliver(t, store, "anna@example.org", storetest.Body(1))
//	storetest.Holds(t, store, "anna@example.org", storetest.Body(1))
//
// It watches P9: every session that it makes fails its test on a statement that
// would be a lightweight transaction ([CheckP9]), and every keyspace is looked
// for in the nodes' system.paxos (package paxostest).
//
// A function that takes a testing.TB fails that test. The others return errors,
// for tests in which things go wrong.
package storetest

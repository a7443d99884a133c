// Package cassandratest starts a real Cassandra for tests: one node, or several
// data centres, on loopback addresses of this machine, without a container.
//
//	func TestStore(t *testing.T) {
//		cluster := cassandratest.Start(t, cassandratest.Topology{})
//		keyspace := cluster.Keyspace(t)
//		session := cluster.Session(t, "") // a gocql session, any data centre
//		...
//	}
//
// # Where the cluster comes from
//
// [Start] takes the first of these that is there:
//
//  1. The cluster that POPCASK_CASSANDRA names ("10.0.0.1,10.0.0.2:9042"). It
//     is never hurt: a topology that is [Topology.Private] does not use it.
//  2. Nodes started here, of the artefacts that Maven resolves, with Java 17 (or
//  11. and mvn on the PATH. The jars are resolved once, into the user's cache
//     directory.
//  3. The same nodes in the image cassandra:5, where a Docker engine answers
//     (Linux, as the nodes use the host's network).
//
// Else the test is skipped, with a line that says what to install.
// POPCASK_REQUIRE_CASSANDRA=1 makes a failure of that.
//
// # How long it lives
//
// Starting a node takes seconds, so all the packages of one "go test ./..." share
// one cluster for each distinct [Topology], and each test has a keyspace of its
// own ([Cluster.Keyspace]). A keeper, a process of its own, is the parent of the
// nodes. A test holds a lease: a connection to the keeper's Unix socket, which
// the kernel closes whatever becomes of the test, kill -9 included. When no lease
// has been held for [Topology.Grace] the keeper ends its nodes and itself.
//
// A test that kills, stops or restarts nodes sets [Topology.Private] and gets a
// cluster for itself, which ends with the test.
//
// The keeper is this same program, started again: the init function of this
// package looks whether it runs in one.
//
// # A WAN
//
// With [Topology.WAN] each data centre is in a network of its own, and the links
// between them have a delay, a rate and a loss, and can be cut:
//
//	cluster := cassandratest.Start(t, cassandratest.Topology{
//		DCs:     []cassandratest.DC{{Name: "dc1", Nodes: 3}, {Name: "dc2", Nodes: 3}},
//		Private: true,
//		WAN:     true,
//	})
//	link := cluster.Link("dc1", "dc2")
//	err := link.SetDelay(25 * time.Millisecond) // 50 ms for a round trip
//	err = link.Cut()
//
// The test itself, with its sessions, is beside the WAN: it reaches every node of
// every data centre as fast as on one machine, and while a link is cut.
// [Cluster.Command] runs a program inside a data centre.
//
// This is for root on Linux, with iproute2 and nsenter: network namespaces, joined
// by TUN devices between which the keeper carries the packets, so no other module
// of the kernel is needed. The nodes have addresses of 198.18.0.0/15. All of it
// ends with the keeper; after a kill -9 of that one, the kernel may need a minute
// to forget the nodes' last connections.
//
// # What it is not
//
// The nodes are small (see [Topology.HeapMB]) and compiled by the quick compiler
// of the JVM alone, which halves the time to start and costs throughput: for
// measurements give [Topology.JVM] "-XX:TieredStopAtLevel=4" and a bigger heap.
// Nothing listens outside the loopback addresses and, for a WAN, the namespaces.
package cassandratest

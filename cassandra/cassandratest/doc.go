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
// [Start] takes the first of these that there is:
//
//  1. The cluster that POPCASK_CASSANDRA names ("10.0.0.1,10.0.0.2:9042"). It
//     is never hurt: a topology that is [Topology.Private] does not use it.
//  2. Nodes started here, if mvn and a java, 17 or 11, are on the PATH. Maven
//     downloads the jars once, into the user's cache directory.
//  3. The same nodes in the image cassandra:5, if a Docker engine answers. Only on
//     Linux, since the nodes use the host's network.
//
// Otherwise the test is skipped, with a line that says what to install, or
// fails with POPCASK_REQUIRE_CASSANDRA=1. With -short it is skipped in any
// case.
//
// # How long it lives
//
// A node takes seconds to start, so all packages of one "go test ./..." share
// one cluster for each [Topology], and each test has a keyspace of its own
// ([Cluster.Keyspace]). A keeper, a process of its own, is the parent of the
// nodes. A test holds a lease: a connection to the keeper's Unix socket, which
// the kernel closes even if the test is killed. [Topology.Grace] after the last
// lease the keeper ends its nodes and itself.
//
// A test that kills, stops, restarts or replaces nodes sets [Topology.Private].
// It gets a cluster of its own, which ends with the test.
//
// The keeper is this same program, started again: it begins in an init function
// of this package.
//
// # A WAN
//
// With [Topology.WAN] each data centre is in a network of its own, and the
// links between them have a delay, a rate and a loss, and can be cut:
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
// The test and its sessions are beside the WAN: they reach every node of every
// data centre as fast as on one machine, also while a link is cut.
// [Cluster.Command] runs a program inside a data centre.
//
// This is for root on Linux, with iproute2 and nsenter. The data centres are
// network namespaces, joined by TUN devices. The keeper carries the packets
// between these, so no other module of the kernel is needed. The nodes have
// addresses of 198.18.0.0/15. All of it ends with the keeper. After a kill -9
// of the keeper, the kernel may need a minute to forget the nodes' last
// connections.
//
// # What it is not
//
// The nodes are small (see [Topology.HeapMB]), and use only the quick compiler
// of the JVM, which halves the time to start and costs throughput. For
// measurements set [Topology.JVM] to "-XX:TieredStopAtLevel=4", and a larger
// heap. Nothing listens outside the loopback addresses and, for a WAN, the
// namespaces.
package cassandratest

package cassandra_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
	"github.com/popcask/popcask/projection"
)

// The tables are created once, before the hosts start. The replication names
// every data centre of the keyspace, with its replicas.
func ExampleMigrate() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config := cassandra.Config{Hosts: []string{"10.0.0.1"}, LocalDC: "paris", Keyspace: "mail"}
	replication := cassandra.Replication{"paris": 3, "lyon": 3}
	if err := cassandra.Migrate(ctx, config, replication); err != nil {
		log.Fatal(err)
	}
}

// A store, and a message for Bob.
func ExampleOpen() {
	ctx := context.Background()
	store, err := cassandra.Open(ctx, cassandra.Config{
		Hosts: []string{"10.0.0.1", "10.0.0.2"}, LocalDC: "paris", Keyspace: "mail",
	}, projection.New)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(ctx)

	body := strings.NewReader("Subject: hello\r\n\r\nHello, Bob.\r\n")
	message, err := mailbox.Deliver(ctx, store, mailbox.To("bob@example.org"), body)
	if err != nil {
		log.Fatal(err) // the sender tries again
	}
	fmt.Println(message.ID, message.Size)
}

// A POP3 server. The host has the session too: it answers the readiness probe
// of a load balancer.
func Example() {
	ctx := context.Background()
	session, err := cassandra.Connect(ctx, cassandra.Config{
		Hosts: []string{"10.0.0.1", "10.0.0.2"}, LocalDC: "paris", Keyspace: "mail",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	store, err := cassandra.NewStore(session, projection.New(session))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(ctx)

	http.HandleFunc("/ready", func(w http.ResponseWriter, r *http.Request) {
		if err := session.Ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	go http.ListenAndServe(":8080", nil)

	server := &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store)}
	log.Fatal(server.ListenAndServe())
}

// The driver, gocql, with settings of the host.
func ExampleConfig_cluster() {
	config := cassandra.Config{
		Hosts: []string{"cassandra.example.org"}, LocalDC: "paris", Keyspace: "mail",
		Cluster: func(cluster *gocql.ClusterConfig) {
			cluster.Compressor = gocql.SnappyCompressor{}
			cluster.Dialer = &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7)}}
		},
	}
	store, err := cassandra.Open(context.Background(), config, projection.New)
	if err != nil {
		log.Fatal(err) // also if a setting would break a promise of the store
	}
	defer store.Close(context.Background())
}

// The form of a replication in flags.
func ExampleParseReplication() {
	replication, err := cassandra.ParseReplication("paris:3, lyon:3")
	fmt.Println(replication, err)
	_, err = cassandra.ParseReplication("paris")
	fmt.Println(err)
	// Output:
	// lyon:3,paris:3 <nil>
	// cassandra: replication "paris": want a data centre and its replicas, as in dc1:3,dc2:3
}

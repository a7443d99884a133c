package cassandra_test

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
	"github.com/popcask/popcask/projection"
)

// The tables are made once, before the hosts start. Every data centre that the
// keyspace is in is named with its replicas.
func ExampleMigrate() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	config := cassandra.Config{Hosts: []string{"10.0.0.1"}, LocalDC: "paris", Keyspace: "mail"}
	replication := cassandra.Replication{"paris": 3, "lyon": 3}
	if err := cassandra.Migrate(ctx, config, replication); err != nil {
		log.Fatal(err)
	}
}

// A POP3 server on Cassandra, and a message for bob.
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

	results, err := store.Append(ctx, mailbox.Delivery{
		Recipients: []mailbox.Recipient{{User: "bob@example.org"}},
	}, strings.NewReader("Subject: hello\r\n\r\nHello, Bob.\r\n"))
	if err != nil || results[0].Err != nil {
		log.Fatal(err, results) // the sender tries again
	}

	server := &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), store)}
	log.Fatal(server.ListenAndServe())
}

// The form in which flags name a replication.
func ExampleParseReplication() {
	replication, err := cassandra.ParseReplication("paris:3, lyon:3")
	fmt.Println(replication, err)
	_, err = cassandra.ParseReplication("paris")
	fmt.Println(err)
	// Output:
	// lyon:3,paris:3 <nil>
	// cassandra: replication "paris": want a data centre and its replicas, as in dc1:3,dc2:3
}

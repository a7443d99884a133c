package users_test

import (
	"context"
	"crypto"
	"fmt"
	"log"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/users"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/projection"
)

// A server whose mail and whose users are in one keyspace.
func Example() {
	ctx := context.Background()
	store, err := cassandra.Open(ctx, cassandra.Config{
		Hosts: []string{"10.0.0.1", "10.0.0.2"}, LocalDC: "paris", Keyspace: "mail",
	}, projection.New)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close(ctx)
	if err := users.Migrate(ctx, store.Session()); err != nil { // once, before the hosts start
		log.Fatal(err)
	}
	u, err := users.New(ctx, store.Session(), users.Options{})
	if err != nil {
		log.Fatal(err)
	}
	server := &pop3.Server{Handler: pop3.Login(u, store)}
	log.Fatal(server.ListenAndServe())
}

// A new user. It can log in at once in every data centre that has taken it.
func ExampleUsers_Set() {
	var u *users.Users // from users.New
	keys, err := secret.NewSCRAM(crypto.SHA256, "correct horse battery staple", 0)
	if err != nil {
		log.Fatal(err)
	}
	everywhere, err := u.Set(context.Background(), "alice@example.org", secret.Keys(keys))
	if err != nil {
		log.Fatal(err)
	}
	if !everywhere {
		fmt.Println("another data centre cannot be reached: it follows")
	}
}

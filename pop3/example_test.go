package pop3_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net"
	"testing/fstest"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// A server with one user, spoken to over a pipe.
func Example() {
	var store memory.Store
	store.LoadFS(context.Background(), fstest.MapFS{
		"demo/hello.eml": {Data: []byte("Subject: hello\n\n.dotted\n")},
	})
	users := pop3.Users{"demo": "secret"}
	server := &pop3.Server{Handler: pop3.Login(users, &store), AllowInsecureAuth: true}

	client, conn := net.Pipe()
	go server.ServeConn(context.Background(), conn)
	go fmt.Fprint(client, "USER demo\r\nPASS secret\r\nRETR 1\r\nQUIT\r\n")
	for lines := bufio.NewScanner(client); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// +OK POP3 server ready
	// +OK send PASS
	// +OK maildrop has 1 messages
	// +OK 27 octets
	// Subject: hello
	//
	// ..dotted
	// .
	// +OK bye
}

// A whole program: mail in a directory, for one user.
func ExampleServer() {
	store, err := maildir.New("maildata", maildir.Options{})
	if err != nil {
		log.Fatal(err)
	}
	login := pop3.Login(pop3.Users{"demo": "secret"}, store)
	server := &pop3.Server{Addr: "127.0.0.1:1110", Handler: login, AllowInsecureAuth: true}
	log.Fatal(server.ListenAndServe())
}

func ExampleUsers() {
	users := pop3.Users{"demo": "secret"}
	for _, login := range []mailbox.Login{
		{User: "Demo", Password: "secret"},
		{User: "demo", Password: "guess"},
		{User: "nobody", Password: "secret"},
	} {
		user, err := users.Authenticate(context.Background(), login)
		fmt.Printf("%q %v\n", user, err)
	}
	// Output:
	// "demo" <nil>
	// "" authentication failed
	// "" authentication failed
}

package pop3test_test

import (
	"context"
	"fmt"
	"net"
	"testing/fstest"
	"time"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// The server goes away in the middle of a session, and the test goes on.
func ExampleRawClient() {
	var store memory.Store
	store.LoadFS(context.Background(), fstest.MapFS{"demo/hello.eml": {Data: []byte("Subject: hello\n\nHello.\n")}})
	server := &pop3.Server{Handler: pop3.Login(pop3.Users{"demo": "secret"}, &store), AllowInsecureAuth: true}
	near, far := net.Pipe()
	go server.ServeConn(context.Background(), far)

	client, err := pop3test.NewRawClient(near, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Conn().Close()
	if err := client.Login("demo", "secret"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Command("STAT"))
	status, body, err := client.Multi("RETR 1")
	fmt.Printf("%s, %d octets, %v\n", status, len(body), err)
	server.Close()
	_, err = client.Command("QUIT")
	fmt.Println("the server is gone:", err != nil)
	// Output:
	// +OK 1 26 <nil>
	// +OK 26 octets, 26 octets, <nil>
	// the server is gone: true
}

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
	onlyDemo := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		if login.User != "demo" || login.Password != "secret" {
			return "", mailbox.ErrAuthFailed
		}
		return "demo", nil
	})
	server := &pop3.Server{Handler: pop3.Login(onlyDemo, &store), AllowInsecureAuth: true}

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

// The program of the README: mail in a directory, for one user.
func ExampleServer() {
	store, err := maildir.New("maildata", maildir.Options{})
	if err != nil {
		log.Fatal(err)
	}
	onlyDemo := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		if login.User != "demo" || login.Password != "secret" {
			return "", mailbox.ErrAuthFailed
		}
		return "demo", nil
	})
	server := &pop3.Server{Addr: "127.0.0.1:1110", Handler: pop3.Login(onlyDemo, store), AllowInsecureAuth: true}
	log.Fatal(server.ListenAndServe())
}

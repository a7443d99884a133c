package pop3client_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"testing/fstest"
	"time"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
)

// exampleServer stands for the server of a provider: it has two messages. The
// examples would do without roots, which trust its certificate.
func exampleServer() (address string, roots *tls.Config, stop func()) {
	certificate, err := testcert.New()
	if err != nil {
		log.Fatal(err)
	}
	var store memory.Store
	store.LoadFS(context.Background(), fstest.MapFS{
		"demo/1.eml": {Data: []byte("Subject: one\n\nOne.\n")},
		"demo/2.eml": {Data: []byte("Subject: two\n\n.\nTwo.\n")},
	})
	server := &pop3.Server{
		Handler:   pop3.Login(pop3.Users{"demo": "secret"}, &store),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate.Server}},
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		server.ServeTLS(listener)
		close(served)
	}()
	return listener.Addr().String(), &tls.Config{RootCAs: certificate.Roots}, func() {
		server.Close()
		<-served
	}
}

// All mail is fetched over TLS, and removed after it was kept.
func Example() {
	address, roots, stop := exampleServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	client, err := pop3client.DialTLS(ctx, address, pop3client.Options{TLS: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.Login(ctx, "demo", "secret"); err != nil {
		log.Fatal(err)
	}
	list, err := client.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range list {
		body, err := client.Retr(ctx, m.Number)
		if err != nil {
			log.Fatal(err)
		}
		octets, err := io.ReadAll(body) // keep it, as a stream if it is large
		if err != nil {
			log.Fatal(err) // half a message is none
		}
		fmt.Printf("%d: %q\n", m.Number, octets)
		if err := client.Dele(ctx, m.Number); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(client.Quit(ctx))
	// Output:
	// 1: "Subject: one\r\n\r\nOne.\r\n"
	// 2: "Subject: two\r\n\r\n.\r\nTwo.\r\n"
	// <nil>
}

// Many small messages, without a round trip for each.
func ExampleClient_RetrieveAll() {
	address, roots, stop := exampleServer()
	defer stop()
	ctx := context.Background()

	client, err := pop3client.DialTLS(ctx, address, pop3client.Options{TLS: roots})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	if err := client.Auth(ctx, pop3client.Plain("", "demo", "secret")); err != nil {
		log.Fatal(err)
	}
	for m, err := range client.RetrieveAll(ctx, []int{2, 1, 3}) {
		if err != nil {
			fmt.Printf("%d: %v\n", m.Number, err)
			continue
		}
		octets, err := io.Copy(io.Discard, m.Body)
		fmt.Printf("%d: %d octets, %v\n", m.Number, octets, err)
	}
	fmt.Println(client.Quit(ctx))
	// Output:
	// 2: 25 octets, <nil>
	// 1: 22 octets, <nil>
	// 3: pop3client: RETR: -ERR "no such message"
	// <nil>
}

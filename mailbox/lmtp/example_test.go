package lmtp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/mailbox/memory"
)

// A server that takes mail by SMTP, and a program that sends some.
func Example() {
	store := new(memory.Store)
	server := &lmtp.Server{
		Protocol:  lmtp.SMTP,
		Appender:  store,
		Directory: lmtp.Users{"anna@example.org": "anna"},
		NoTrace:   true,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()

	to := listener.Addr().String()
	text := []byte("Subject: hello\r\n\r\nHello, Anna!\r\n")
	for _, recipient := range []string{"anna@example.org", "ana@example.org"} {
		err := smtp.SendMail(to, nil, "bert@example.org", []string{recipient}, text)
		if refused, is := err.(*textproto.Error); is {
			fmt.Println(refused.Code, refused.Msg)
			continue
		}
		fmt.Println(err)
	}

	ctx := context.Background()
	fmt.Println(server.Shutdown(ctx), <-served)
	box, err := store.Open(ctx, mailbox.Login{User: "anna"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	fmt.Println(len(messages), "message,", err)
	// Output:
	// <nil>
	// 550 5.1.1 No such user here
	// <nil> lmtp: server closed
	// 1 message, <nil>
}

// A directory that has words of its own for an address that it refuses.
func ExampleError() {
	moved := directoryFunc(func(address string) (string, error) {
		return "", &lmtp.Error{Code: 551, Enhanced: "5.1.6", Text: "Anna has moved to anna@example.com"}
	})
	near, far := net.Pipe()
	server := &lmtp.Server{Protocol: lmtp.SMTP, Appender: new(memory.Store), Directory: moved}
	go server.ServeConn(context.Background(), far)
	client, err := smtp.NewClient(near, "localhost")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	if err := client.Mail("bert@example.org"); err != nil {
		fmt.Println(err)
		return
	}
	var refused *textproto.Error
	if errors.As(client.Rcpt("anna@example.org"), &refused) {
		fmt.Println(refused.Code, refused.Msg)
	}
	// Output:
	// 551 5.1.6 Anna has moved to anna@example.com
}

package pop3test_test

import (
	"context"
	"fmt"
	"net/smtp"
	"testing"
	"testing/fstest"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
	"github.com/popcask/popcask/pop3/pop3test"
)

// exampleT is what the *testing.T of a test is elsewhere.
type exampleT struct {
	testing.TB
	cleanups []func()
}

func (t *exampleT) Helper()          {}
func (t *exampleT) Cleanup(f func()) { t.cleanups = append(t.cleanups, f) }

func (t *exampleT) end() {
	for len(t.cleanups) > 0 {
		last := len(t.cleanups) - 1
		t.cleanups[last]()
		t.cleanups = t.cleanups[:last]
	}
}

// A program sends mail, here net/smtp, and its test looks at what arrives.
func ExampleNewMailServer() {
	t := new(exampleT)
	defer t.end()

	server := pop3test.NewMailServer(t)
	message := "From: Events <events@example.org>\r\nSubject: =?utf-8?q?F=C3=BChrung?=\r\n\r\nBring boots.\r\n"
	err := smtp.SendMail(server.SMTP.String(), nil, "events@example.org", []string{"anna@example.org"}, []byte(message))
	fmt.Println(err)

	received := server.Wait(context.Background(), 1)[0]
	fmt.Println(received.User, received.From[0].Name, received.Subject)
	fmt.Printf("%q\n", received.Text)
	// Output:
	// <nil>
	// anna@example.org Events Führung
	// "Bring boots.\n"
}

// The server has no time for the first delivery. A program should try again.
func ExampleMailServer_FailNext() {
	t := new(exampleT)
	defer t.end()

	server := pop3test.NewMailServer(t)
	server.FailNext(mailbox.ErrTemporary)
	for range 2 {
		err := smtp.SendMail(server.SMTP.String(), nil, "events@example.org", []string{"anna@example.org"}, nil)
		fmt.Println(err)
	}
	// Output:
	// 451 "4.3.0 Temporary failure, try again later"
	// <nil>
}

// A store with one message, a server, and a client that fails the test.
func ExampleNewServer() {
	t := new(exampleT)
	defer t.end()

	var store memory.Store
	store.LoadFS(context.Background(), fstest.MapFS{"demo/hello.eml": {Data: []byte("Subject: hello\n\nHello.\n")}})
	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"demo": "secret"}, &store))

	client := server.Dial(t)
	client.Login("demo", "secret")
	fmt.Println(client.Command("STAT"))
	status, body := client.Multi("RETR 1")
	fmt.Printf("%s, %q\n", status, body)
	list, err := client.UIDL(context.Background())
	fmt.Println(len(list), "unique-id,", err)
	client.Quit()
	// Output:
	// +OK 1 26
	// +OK 26 octets, "Subject: hello\r\n\r\nHello.\r\n"
	// 1 unique-id, <nil>
}

// The server goes away in the middle of a session, and the test goes on.
func ExampleServer_Close() {
	t := new(exampleT)
	defer t.end()

	ctx := context.Background()
	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"demo": "secret"}, new(memory.Store)))
	client, err := pop3client.Dial(ctx, server.Addr, pop3client.Options{AllowInsecureAuth: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Login(ctx, "demo", "wrong"))
	fmt.Println(client.Login(ctx, "demo", "secret"))
	server.Close(t)
	fmt.Println(client.Noop(ctx))
	fmt.Println(client.Noop(ctx) != nil)
	// Output:
	// pop3client: PASS: -ERR [AUTH] "authentication failed"
	// <nil>
	// pop3client: NOOP: -ERR [SYS/TEMP] "server shutting down"
	// true
}

package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

// What a server does with a store in one session.
func Example() {
	ctx := context.Background()
	store := new(memory.Store)
	defer store.Close(ctx)
	for _, message := range []string{"Subject: one\n\nHello, Bob.\n", "Subject: two\n\nHello again.\n"} {
		if _, err := mailbox.Deliver(ctx, store, mailbox.To("Bob@Example.org"), strings.NewReader(message)); err != nil {
			fmt.Println(err)
		}
	}

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	var seen []string
	for message, err := range box.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		seen = append(seen, message.ID)
		fmt.Printf("%d %d %s\n", len(seen), message.Size, mailbox.UIDL(message))
	}
	fmt.Println(box.Delete(ctx, seen))
	// Output:
	// 1 29 m1
	// 2 30 m2
	// <nil>
}

func ExampleDeliver() {
	ctx := context.Background()
	store := &memory.Store{MaxMessageSize: 100}
	message, err := mailbox.Deliver(ctx, store, mailbox.To("bob@example.org"), strings.NewReader("Subject: lunch?\n\nAt noon.\n"))
	fmt.Println(message.ID, message.Size, err)

	_, err = mailbox.Deliver(ctx, store, mailbox.To("bob@example.org"), strings.NewReader(strings.Repeat("x", 1000)))
	fmt.Println(errors.Is(err, mailbox.ErrTooLarge))
	// Output:
	// m1 29 <nil>
	// true
}

func ExampleList() {
	ctx := context.Background()
	store := new(memory.Store)
	_, _ = mailbox.Deliver(ctx, store, mailbox.To("bob"), strings.NewReader("Subject: lunch?\n"))
	_, _ = mailbox.Deliver(ctx, store, mailbox.To("bob"), strings.NewReader("Subject: supper?\n"))
	box, err := store.Open(ctx, mailbox.Login{User: "bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	fmt.Println(len(messages), messages[0].ID, messages[1].ID, err)
	// Output:
	// 2 m1 m2 <nil>
}

func ExampleReadMessage() {
	ctx := context.Background()
	store := new(memory.Store)
	message, _ := mailbox.Deliver(ctx, store, mailbox.To("bob"), strings.NewReader("Subject: lunch?\n\nAt noon."))
	box, err := store.Open(ctx, mailbox.Login{User: "bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	octets, err := mailbox.ReadMessage(ctx, box, message.ID)
	fmt.Printf("%q %v\n", octets, err)
	// Output:
	// "Subject: lunch?\r\n\r\nAt noon.\r\n" <nil>
}

func ExampleCanonicalReader() {
	reader := mailbox.NewCanonicalReader(strings.NewReader("Subject: hello\n\nno line end here"))
	octets, _ := io.ReadAll(reader)
	fmt.Printf("%q\n", octets)
	fmt.Println(reader.Octets(), "octets")
	// Output:
	// "Subject: hello\r\n\r\nno line end here\r\n"
	// 36 octets
}

func ExampleTopReader() {
	message := strings.NewReader("Subject: hello\r\n\r\none\r\ntwo\r\nthree\r\n")
	octets, _ := io.ReadAll(mailbox.NewTopReader(message, 1))
	fmt.Printf("%q\n", octets)
	// Output:
	// "Subject: hello\r\n\r\none\r\n"
}

func ExampleUIDL() {
	fmt.Println(mailbox.UIDL(mailbox.Message{ID: "m1"}))
	fmt.Println(mailbox.UIDL(mailbox.Message{ID: "m2", UIDL: "from-the-old-server"}))
	fmt.Println(mailbox.UIDL(mailbox.Message{ID: "m3", UIDL: "not legal"}))
	// Output:
	// m1
	// from-the-old-server
	// 62ae4ff47444a8465b7923c659ebe4f24549a314
}

func ExampleCanonicalUser() {
	user, err := mailbox.CanonicalUser("Bob@Example.org")
	fmt.Println(user, err)
	_, err = mailbox.CanonicalUser("bob\x00")
	fmt.Println(errors.Is(err, mailbox.ErrNoSuchUser), err)
	// Output:
	// bob@example.org <nil>
	// true no such user: the name has control characters
}

func ExampleDeleteError() {
	err := fmt.Errorf("store: %w", &mailbox.DeleteError{Failed: map[string]error{"m7": mailbox.ErrTemporary}})
	var partial *mailbox.DeleteError
	if errors.As(err, &partial) {
		fmt.Println(len(partial.Failed), "left:", err)
	}
	fmt.Println(errors.Is(err, mailbox.ErrTemporary))
	// Output:
	// 1 left: store: 1 messages not removed; "m7": temporary failure
	// true
}

func ExampleListeners() {
	ctx := context.Background()
	store := new(memory.Store) // which embeds Listeners
	store.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		fmt.Println(event.User, event.Kind, len(event.Messages))
		return nil
	}))
	_, _ = mailbox.Deliver(ctx, store, mailbox.To("Bob@Example.org"), strings.NewReader("Subject: hello\n"))
	_ = store.Close(ctx) // until the listener has heard
	// Output:
	// bob@example.org added 1
}

package maildir_test

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
)

func Example() {
	dir, err := os.MkdirTemp("", "mail")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	store, err := maildir.New(dir, maildir.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close(ctx)

	delivery := mailbox.To("Bob@Example.org")
	delivery.Recipients[0].Header = "Delivered-To: bob@example.org\r\n"
	if _, err = mailbox.Deliver(ctx, store, delivery, strings.NewReader("Subject: lunch?\n\nAt noon.\n")); err != nil {
		fmt.Println(err)
		return
	}

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	messages, err := mailbox.List(ctx, box)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, message := range messages {
		fmt.Println(message.Size, "octets")
	}
	// Output:
	// 60 octets
}

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

	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{
		{User: "Bob@Example.org", Header: "Delivered-To: bob@example.org\r\n"},
	}}
	results, err := store.Append(ctx, delivery, strings.NewReader("Subject: lunch?\n\nAt noon.\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("delivered:", results[0].Err == nil)

	box, err := store.Open(ctx, mailbox.Login{User: "bob@example.org"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	for message, err := range box.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(message.Size, "octets")
	}
	// Output:
	// delivered: true
	// 60 octets
}

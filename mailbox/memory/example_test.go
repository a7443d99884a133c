package memory_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func Example() {
	ctx := context.Background()
	var store memory.Store
	err := store.LoadFS(ctx, fstest.MapFS{
		"bob@example.org/1.eml": {Data: []byte("Subject: lunch?\n\nAt noon.\n")},
		"bob@example.org/2.eml": {Data: []byte("Subject: supper?\n\nAt eight.\n")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	box, err := store.Open(ctx, mailbox.Login{User: "Bob@Example.org"})
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
		fmt.Println(message.ID, message.Size)
	}

	octets, err := mailbox.ReadMessage(ctx, box, "m2")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", octets)
	// Output:
	// m1 29
	// m2 31
	// "Subject: supper?\r\n\r\nAt eight.\r\n"
}

package memory_test

import (
	"bufio"
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
	for message, err := range box.Messages(ctx) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(message.ID, message.Size)
	}

	body, err := box.Open(ctx, "m2", mailbox.OpenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	for lines := bufio.NewScanner(body); lines.Scan(); {
		fmt.Println(lines.Text())
	}
	// Output:
	// m1 29
	// m2 31
	// Subject: supper?
	//
	// At eight.
}

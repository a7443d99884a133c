package mailbox_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

// observedBox is a mailbox that logs what it is asked for. It does not know
// which optional interfaces the mailbox in it has.
type observedBox struct {
	mailbox.Mailbox
	log io.Writer
}

// Open passes the reader on as it is, so that the server sees what else it is.
func (b observedBox) Open(ctx context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	fmt.Fprintln(b.log, "open", id)
	return b.Mailbox.Open(ctx, id, options)
}

// Size forwards [mailbox.Sizer]. A mailbox that is none knows no size.
func (b observedBox) Size(ctx context.Context, id string) (int64, error) {
	fmt.Fprintln(b.log, "size of", id)
	if sizer, ok := b.Mailbox.(mailbox.Sizer); ok {
		return sizer.Size(ctx, id)
	}
	return -1, nil
}

// Retrieved forwards [mailbox.Receipter].
func (b observedBox) Retrieved(ctx context.Context, id string) error {
	fmt.Fprintln(b.log, "retrieved", id)
	if receipter, ok := b.Mailbox.(mailbox.Receipter); ok {
		return receipter.Retrieved(ctx, id)
	}
	return nil
}

// A wrapper of a mailbox forwards the optional interfaces.
func Example_wrapper() {
	ctx := context.Background()
	store := new(memory.Store)
	_, _ = mailbox.Deliver(ctx, store, mailbox.To("bob"), strings.NewReader("Subject: lunch?\n"))
	inner, err := store.Open(ctx, mailbox.Login{User: "bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var box mailbox.Mailbox = observedBox{inner, os.Stdout}
	defer box.Close()

	size, err := box.(mailbox.Sizer).Size(ctx, "m1")
	fmt.Println(size, err)
	body, err := box.Open(ctx, "m1", mailbox.OpenOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer body.Close()
	fmt.Println(body.(mailbox.CanonicalBody).IsCanonical())
	fmt.Println(box.(mailbox.Receipter).Retrieved(ctx, "m1"))
	// Output:
	// size of m1
	// -1 <nil>
	// open m1
	// true
	// retrieved m1
	// <nil>
}

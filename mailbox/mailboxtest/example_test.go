package mailboxtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/mailboxtest"
	"github.com/popcask/popcask/mailbox/memory"
)

// The body of a test function in the tests of a store.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestConformance(t *testing.T) {
		mailboxtest.Run(t, func(t testing.TB) mailboxtest.Harness {
			return mailboxtest.Harness{Store: new(memory.Store)}
		})
	}
}

// A gateway takes no deliveries: the harness delivers where its messages are,
// and says what cannot be there.
func ExampleHarness() {
	there := new(memory.Store) // another server
	_ = mailboxtest.Harness{
		Store: struct{ mailbox.Store }{there}, // a gateway to it
		Deliver: func(ctx context.Context, user string, body io.Reader) error {
			octets, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			if len(octets) == 0 || bytes.Contains(octets, []byte{0}) {
				return fmt.Errorf("APPEND of an empty message or of NUL: %w", errors.ErrUnsupported)
			}
			_, err = mailbox.Deliver(ctx, there, mailbox.To(user), bytes.NewReader(octets))
			return err
		},
	}
}

package mailbox_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

// appendFunc is a function as an Appender that does not read the body.
type appendFunc func(mailbox.Delivery) ([]mailbox.Result, error)

func (f appendFunc) Append(_ context.Context, delivery mailbox.Delivery, _ io.Reader) ([]mailbox.Result, error) {
	return f(delivery)
}

func TestTo(t *testing.T) {
	require.Equal(t, mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}, {User: "alice"}}}, mailbox.To("bob", "alice"))
	require.Empty(t, mailbox.To().Recipients)
}

func TestDeliverReturnsTheMessageAsListed(t *testing.T) {
	store := new(memory.Store)
	delivery := mailbox.To("Bob")
	delivery.UIDL = "foreign"
	delivery.Recipients[0].Header = "Delivered-To: bob\n"
	message, err := mailbox.Deliver(t.Context(), store, delivery, strings.NewReader("hello\n"))
	require.NoError(t, err)
	require.Equal(t, mailbox.Message{ID: "m1", UIDL: "foreign", Size: 26}, message)

	box, err := store.Open(t.Context(), mailbox.Login{User: "bob"})
	require.NoError(t, err)
	listed, err := mailbox.List(t.Context(), box)
	require.NoError(t, err)
	require.Equal(t, []mailbox.Message{message}, listed)
}

func TestDeliverReturnsEitherError(t *testing.T) {
	bob, body, cause := mailbox.To("bob"), strings.NewReader("hello\n"), errors.New("disk broke")

	message, err := mailbox.Deliver(t.Context(), appendFunc(func(mailbox.Delivery) ([]mailbox.Result, error) {
		return nil, cause
	}), bob, body)
	require.Equal(t, cause, err, "that of Append")
	require.Zero(t, message)

	message, err = mailbox.Deliver(t.Context(), appendFunc(func(mailbox.Delivery) ([]mailbox.Result, error) {
		return []mailbox.Result{{Message: mailbox.Message{ID: "m1"}, Err: cause}}, nil
	}), bob, body)
	require.Equal(t, cause, err, "that of the recipient")
	require.Zero(t, message, "a message that was not delivered has no ID")
}

func TestDeliverIsForOneRecipient(t *testing.T) {
	unasked := appendFunc(func(mailbox.Delivery) ([]mailbox.Result, error) { panic("asked") })
	_, err := mailbox.Deliver(t.Context(), unasked, mailbox.To("bob", "alice"), nil)
	require.EqualError(t, err, "mailbox: deliver: 2 recipients instead of one")
	_, err = mailbox.Deliver(t.Context(), unasked, mailbox.To(), nil)
	require.EqualError(t, err, "mailbox: deliver: 0 recipients instead of one")

	for _, results := range [][]mailbox.Result{nil, make([]mailbox.Result, 2)} {
		broken := appendFunc(func(mailbox.Delivery) ([]mailbox.Result, error) { return results, nil })
		_, err = mailbox.Deliver(t.Context(), broken, mailbox.To("bob"), nil)
		require.ErrorContains(t, err, "results for one recipient", "not a panic")
	}
}

package mailbox

import (
	"context"
	"fmt"
	"io"
)

// To returns a [Delivery] to users, in this order, with no header of their own.
func To(users ...string) Delivery {
	recipients := make([]Recipient, len(users))
	for i, user := range users {
		recipients[i].User = user
	}
	return Delivery{Recipients: recipients}
}

// Deliver delivers body to the one recipient of delivery, and returns the
// message as a listing shows it:
//
//	message, err := mailbox.Deliver(ctx, store, mailbox.To("bob@example.org"), body)
//
// The error is that of [Appender.Append] or the [Result.Err] of the recipient,
// as the store returned it: [errors.Is] finds [ErrNoSuchUser], [ErrOverQuota],
// [ErrTooLarge], [ErrTemporary] and others. With an error the message was not
// delivered.
//
// Deliver does not read body, and returns an error, if the delivery has no
// recipient or several: each recipient has a result of its own, which only
// Append returns.
func Deliver(ctx context.Context, store Appender, delivery Delivery, body io.Reader) (Message, error) {
	if n := len(delivery.Recipients); n != 1 {
		return Message{}, fmt.Errorf("mailbox: deliver: %d recipients instead of one", n)
	}
	results, err := store.Append(ctx, delivery, body)
	switch {
	case err != nil:
		return Message{}, err
	case len(results) != 1:
		return Message{}, fmt.Errorf("mailbox: deliver: the store returned %d results for one recipient", len(results))
	case results[0].Err != nil:
		return Message{}, results[0].Err
	}
	return results[0].Message, nil
}

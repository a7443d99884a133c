package mailbox

import (
	"context"
	"errors"
	"io"
)

// List returns all messages of box, oldest first, or nil and the error that
// ended the listing. If the mailbox is empty, it returns nil without an error.
//
// A caller that does not want to hold a large listing in memory, or to read it
// to its end, ranges over [Mailbox.Messages] instead.
func List(ctx context.Context, box Mailbox) ([]Message, error) {
	var messages []Message
	for message, err := range box.Messages(ctx) {
		if err != nil {
			return nil, err
		}
		messages = append(messages, message)
	}
	return messages, nil
}

// ReadMessage returns a whole message in its canonical form, the octets that
// [Message.Size] counts. It holds them all in memory; [Mailbox.Open] is for
// messages of any size.
//
// Its errors are those of Open ([ErrNotFound], [ErrTemporary] and others), of
// reading, and of closing the reader. As with [io.ReadAll], an error comes with
// the octets that were read before it.
func ReadMessage(ctx context.Context, box Mailbox, id string) (octets []byte, err error) {
	body, err := box.Open(ctx, id, OpenOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if sure, ok := body.(CanonicalBody); ok && sure.IsCanonical() {
		return io.ReadAll(body)
	}
	return io.ReadAll(NewCanonicalReader(body))
}

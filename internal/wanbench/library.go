//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/mailbox"
)

// library does the work with the library.
type library struct{ store *cassandra.Store }

var message = "From: a@example.org\r\nSubject: figures\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 64) // 5 KB

func (l *library) deliver(ctx context.Context) error {
	return l.deliverTo(ctx, "demo")
}

func (l *library) deliverTo(ctx context.Context, user string) error {
	_, err := mailbox.Deliver(ctx, l.store, mailbox.To(user), strings.NewReader(message))
	return err
}

// session opens the mailbox, lists it, reads a message and removes it.
func (l *library) session(ctx context.Context) (err error) {
	mb, err := l.store.Open(ctx, mailbox.Login{User: "demo"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, mb.Close()) }()
	var ids []string
	for m, err := range mb.Messages(ctx) {
		if err != nil {
			return err
		}
		ids = append(ids, m.ID)
	}
	id := newest(ids)
	body, err := mb.Open(ctx, id, mailbox.OpenOptions{})
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return err
	}
	return errors.Join(body.Close(), mb.Delete(ctx, []string{id}))
}

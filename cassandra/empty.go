package cassandra

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// Empty removes all messages that a session of the user would list now, as a
// session removes them, and returns what they were. Mail that comes meanwhile
// stays.
func (s *Store) Empty(ctx context.Context, user string) (removed Maildrop, err error) {
	mb, err := s.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return removed, err
	}
	defer mb.Close()
	removed, ids, err := s.contentsOf(ctx, user, mb)
	if err == nil && len(ids) > 0 {
		err = mb.Delete(ctx, ids)
	}
	if err != nil {
		return Maildrop{}, fmt.Errorf("cassandra: empty the mailbox of %q: %w", user, err)
	}
	return removed, nil
}

// Measure counts what a session of the user would list now.
func (s *Store) Measure(ctx context.Context, user string) (Maildrop, error) {
	mb, err := s.Open(ctx, mailbox.Login{User: user})
	if err != nil {
		return Maildrop{}, err
	}
	defer mb.Close()
	drop, _, err := s.contentsOf(ctx, user, mb)
	return drop, err
}

func (s *Store) contentsOf(ctx context.Context, user string, mb mailbox.Mailbox) (drop Maildrop, ids []string, err error) {
	drop.Mailbox, drop.User, err = s.Mailbox(user)
	if err != nil {
		return drop, nil, err
	}
	for message, err := range mb.Messages(ctx) {
		if err != nil {
			return drop, nil, err
		}
		drop.Messages++
		drop.Octets += message.Size
		ids = append(ids, message.ID)
	}
	return drop, ids, nil
}

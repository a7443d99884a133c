package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/popcask/popcask/mailbox"
)

// session is one user's mailbox for the length of one POP3 session.
type session struct {
	store *Store
	user  string
	box   *userMailbox
}

// Messages implements [mailbox.Mailbox]. It lists the mailbox as it is when the
// range begins.
func (s *session) Messages(ctx context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		messages, err := s.snapshot(ctx)
		if err != nil {
			yield(mailbox.Message{}, fmt.Errorf("memory: list: %w", err))
			return
		}
		for _, m := range messages {
			if !yield(m.Message, nil) {
				return
			}
		}
	}
}

func (s *session) snapshot(ctx context.Context) ([]*message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if s.store.closed {
		return nil, mailbox.ErrClosed
	}
	return s.box.messages, nil
}

// Open implements [mailbox.Mailbox]. The reader is an [io.WriterTo], which
// writes the whole message in one call of Write. It can be read to its end even
// after the message was removed.
func (s *session) Open(ctx context.Context, id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
	m, err := s.find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("memory: open message %q: %w", id, err)
	}
	body := new(reader)
	body.Reset(m.body)
	return body, nil
}

func (s *session) find(ctx context.Context, id string) (*message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.store.mu.RLock()
	defer s.store.mu.RUnlock()
	if s.store.closed {
		return nil, mailbox.ErrClosed
	}
	m := s.box.byID[id]
	if m == nil {
		return nil, mailbox.ErrNotFound
	}
	return m, nil
}

// Delete implements [mailbox.Mailbox]. It removes all of ids or, with an error,
// none.
func (s *session) Delete(ctx context.Context, ids []string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("memory: delete: %w", err)
	}
	s.store.mu.Lock()
	if s.store.closed {
		s.store.mu.Unlock()
		return fmt.Errorf("memory: delete: %w", mailbox.ErrClosed)
	}
	removed := s.box.remove(ids)
	s.store.mu.Unlock()

	if len(removed) > 0 {
		s.store.Notify(mailbox.Event{Kind: mailbox.Removed, User: s.user, Messages: removed})
	}
	return nil
}

// Close implements [mailbox.Mailbox]. There is nothing to do.
func (s *session) Close() error { return nil }

// reader is a [bytes.Reader] that can be closed. Its octets were made canonical
// when they were delivered.
type reader struct{ bytes.Reader }

func (*reader) Close() error      { return nil }
func (*reader) IsCanonical() bool { return true }

package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// openMessage reads a message from the local data centre and, if it is not
// there, from all of them (P2).
//
// Almost always the first read, at LOCAL_QUORUM, is enough. Content that is
// missing may be on its way from another data centre. So the second read is at
// EACH_QUORUM: every delivery that was acknowledged has a quorum in one of the
// data centres. Only that answer can say that a message is gone. A session
// never writes because of a miss; it asks for a repair in the background.
func (s *Store) openMessage(ctx context.Context, m *mailboxSession, id MessageID, options mailbox.OpenOptions) (io.ReadCloser, error) {
	body, err := s.openContent(ctx, cql.LocalQuorum, m.id, id, options)
	switch {
	case err == nil:
		body.user = m.user
		return body, nil
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	case !errors.Is(err, errMissing):
		return nil, temporary(err)
	}
	if s.breaker.isOpen() {
		return nil, errBreakerOpen
	}
	body, err = s.openContent(ctx, cql.EachQuorum, m.id, id, options)
	s.breaker.note(err)
	switch {
	case err == nil:
		s.repairs.want(m.user)
		return body, nil
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	case !errors.Is(err, errMissing):
		return nil, temporary(err)
	}
	found, err := s.member(ctx, cql.EachQuorum, m.id, id)
	s.breaker.note(err)
	switch {
	case err != nil:
		return nil, temporary(err)
	case found == memberLive:
		s.repairs.want(m.user)
		return nil, fmt.Errorf("%w: the mailbox has the message, but no data centre has its content", mailbox.ErrTemporary)
	}
	return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
}

// Open implements [mailbox.Mailbox].
func (m *mailboxSession) Open(ctx context.Context, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
	if m.store.isClosed() {
		return nil, fmt.Errorf("cassandra: open message: %w", mailbox.ErrClosed)
	}
	messageID, err := ParseMessageID(id)
	if err != nil {
		return nil, fmt.Errorf("cassandra: open message: %w: %w", mailbox.ErrNotFound, err)
	}
	body, err := m.openMessage(ctx, messageID, options)
	if err != nil {
		return nil, fmt.Errorf("cassandra: open message %s: %w", id, err)
	}
	return body, nil
}

// openMessage opens a message of the mailbox. If the session has not listed it,
// the membership is read first: content is found by its ID alone, in any
// mailbox, and for a moment after the removal.
func (m *mailboxSession) openMessage(ctx context.Context, id MessageID, options mailbox.OpenOptions) (io.ReadCloser, error) {
	if !m.isListed(id) {
		found, err := m.store.member(ctx, cql.LocalQuorum, m.id, id)
		if err != nil {
			return nil, temporary(err)
		}
		if found == memberRemoved {
			return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
		}
	}
	return m.store.openMessage(ctx, m, id, options)
}

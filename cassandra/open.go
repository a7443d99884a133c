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
// missing may be on its way from another data centre, or one replica may be the
// last one that has it, since another was replaced. So the second read is at
// EACH_QUORUM, and the third at ALL. A message is gone if it is marked as
// removed, or if no replica has it; else the error is temporary. A session
// never writes because of a miss; it asks for a repair in the background.
func (s *Store) openMessage(ctx context.Context, m *mailboxSession, id MessageID, options mailbox.OpenOptions) (io.ReadCloser, error) {
	body, err := s.openContent(ctx, cql.LocalQuorum, m.id, id, options)
	if errors.Is(err, errMissing) {
		s.met.misses.Add(1)
		body, err = s.openElsewhere(ctx, m, id, options)
	}
	switch {
	case err == nil:
		body.user = m.user
		return body, nil
	case errors.Is(err, errForeign):
		return nil, fmt.Errorf("%w: %w", mailbox.ErrNotFound, err)
	}
	return nil, err
}

// openElsewhere is the second and the third read.
func (s *Store) openElsewhere(ctx context.Context, m *mailboxSession, id MessageID, options mailbox.OpenOptions) (*content, error) {
	body, err := s.openEverywhere(ctx, &s.breaker, cql.EachQuorum, m, id, options)
	if !errors.Is(err, errMissing) {
		return body, err
	}
	found, err := s.member(ctx, cql.EachQuorum, m.id, id)
	s.breaker.note(err)
	switch {
	case err != nil:
		return nil, err
	case found == memberRemoved:
		s.repairs.want(job{user: m.user, ids: []MessageID{id}}) // the removal is not finished
		return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
	}
	body, err = s.openEverywhere(ctx, &s.provable, cql.All, m, id, options)
	if !errors.Is(err, errMissing) {
		return body, err
	}
	found, err = s.member(ctx, cql.All, m.id, id)
	s.provable.note(err)
	switch {
	case err != nil:
		return nil, err
	case found == memberLive:
		s.repairs.want(job{user: m.user, ids: []MessageID{id}})
		return nil, fmt.Errorf("%w: the mailbox has the message, but no data centre has its content", mailbox.ErrTemporary)
	}
	return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
}

// openEverywhere is a read beyond this data centre. If it succeeds, the message
// is to be repaired.
func (s *Store) openEverywhere(ctx context.Context, b *breaker, level cql.Level, m *mailboxSession, id MessageID, options mailbox.OpenOptions) (*content, error) {
	if b.isOpen() {
		return nil, errBreakerOpen
	}
	body, err := s.openContent(ctx, level, m.id, id, options)
	b.note(err)
	if err == nil {
		s.repairs.want(job{user: m.user, ids: []MessageID{id}})
	}
	return body, err
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
		if !errors.Is(err, mailbox.ErrNotFound) {
			err = temporary(err)
		}
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
			return nil, err
		}
		if found == memberRemoved {
			return nil, fmt.Errorf("%w: removed", mailbox.ErrNotFound)
		}
	}
	return m.store.openMessage(ctx, m, id, options)
}

package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/mailbox"
)

// batchSize is how many rows of one partition go into one statement.
const batchSize = 100

// Delete implements [mailbox.Mailbox], in three steps. (1) It marks the
// memberships as removed: the commit point. (2) The index takes the messages
// off its list. Then Delete returns. (3) The content and the memberships are
// purged, in the background. After a crash a repair finishes what is marked,
// and nothing can be undone (P3, P4).
func (m *mailboxSession) Delete(ctx context.Context, ids []string) error {
	s := m.store
	leave, err := s.enter()
	if err != nil {
		return fmt.Errorf("cassandra: delete: %w", err)
	}
	defer leave()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cassandra: delete: %w", err)
	}
	failed := make(map[string]error)
	m.remove(ctx, m.toRemove(ctx, ids, failed), failed)
	if len(failed) > 0 {
		return fmt.Errorf("cassandra: delete: %w", &mailbox.DeleteError{Failed: failed})
	}
	return nil
}

// remove removes messages that the mailbox may have, and sets in failed the
// errors of those that it could not remove.
func (m *mailboxSession) remove(ctx context.Context, ids []MessageID, failed map[string]error) {
	s := m.store
	var removed, unfinished []MessageID
	for bucket, group := range ByBucket(ids, batchSize) {
		err := s.mark(ctx, m.id, bucket, group)
		if err == nil {
			err = s.unlist(ctx, m.id, group)
		}
		if err != nil {
			for _, id := range group {
				failed[id.String()] = temporary(err)
			}
			unfinished = append(unfinished, group...)
			continue
		}
		removed = append(removed, group...)
	}
	s.afterRemoval(ctx, m, removed)
	if len(unfinished) > 0 {
		s.repairs.want(job{user: m.user, ids: unfinished})
	}
}

// toRemove returns the IDs that the mailbox may have. If that cannot be found
// out, it sets the error of the ID in failed.
func (m *mailboxSession) toRemove(ctx context.Context, ids []string, failed map[string]error) []MessageID {
	list := make([]MessageID, 0, len(ids))
	for _, text := range ids {
		id, err := ParseMessageID(text)
		if err != nil {
			continue // no message has it
		}
		holds, err := m.mayHold(ctx, id)
		switch {
		case err != nil:
			failed[text] = temporary(err)
		case holds:
			list = append(list, id)
		}
	}
	return list
}

// afterRemoval starts what follows a removal, in the background: the purge, the
// event for the listeners and, now and then, a proof of what stays.
func (s *Store) afterRemoval(ctx context.Context, m *mailboxSession, ids []MessageID) {
	if len(ids) == 0 {
		return
	}
	for group := range slices.Chunk(ids, batchSize) {
		s.purger.add(ctx, purge{user: m.user, mailbox: m.id, ids: group})
	}
	event := mailbox.Event{Kind: mailbox.Removed, User: m.user}
	for _, id := range ids {
		event.Messages = append(event.Messages, mailbox.Message{ID: id.String()})
	}
	s.listeners.Notify(event)
	var buckets []int64
	for bucket := range ByBucket(ids, len(ids)) {
		buckets = append(buckets, bucket)
	}
	s.proveAfter(m.user, weight(ids), buckets)
}

// mark marks memberships of one bucket as removed. It cannot be undone.
func (s *Store) mark(ctx context.Context, mailbox MailboxID, bucket int64, ids []MessageID) error {
	var batch cql.Batch
	for _, id := range ids {
		batch.Add(markMember, markedAt(id), true, [16]byte(mailbox), bucket, [16]byte(id))
	}
	return s.db.ExecBatch(ctx, cql.LocalQuorum, &batch)
}

// unlist takes messages off the list of the index, and tries twice.
func (s *Store) unlist(ctx context.Context, mailbox MailboxID, ids []MessageID) error {
	err := s.index.Removed(ctx, mailbox, ids)
	if err != nil && ctx.Err() == nil {
		err = s.index.Removed(ctx, mailbox, ids)
	}
	return err
}

// deleteContents deletes the content of messages whose memberships are marked.
func (s *Store) deleteContents(ctx context.Context, ids []MessageID) error {
	return parallel.Each(s.config.Window, len(ids), func(i int) error {
		return s.db.Exec(ctx, cql.LocalQuorum, deleteContent, DeletedAt(ids[i]), [16]byte(ids[i]))
	})
}

// deleteMembers deletes memberships. It is the last step of a removal: as long
// as they exist, a repair finds what is left to do.
func (s *Store) deleteMembers(ctx context.Context, mailbox MailboxID, ids []MessageID) error {
	for bucket, group := range ByBucket(ids, batchSize) {
		var batch cql.Batch
		for _, id := range group {
			batch.Add(deleteMember, DeletedAt(id), [16]byte(mailbox), bucket, [16]byte(id))
		}
		if err := s.db.ExecBatch(ctx, cql.LocalQuorum, &batch); err != nil {
			return err
		}
	}
	return nil
}

// removeWholly runs all steps of a removal, even if some of them were done
// before.
func (s *Store) removeWholly(ctx context.Context, mailbox MailboxID, ids []MessageID) error {
	for bucket, group := range ByBucket(ids, batchSize) {
		if err := s.mark(ctx, mailbox, bucket, group); err != nil {
			return err
		}
	}
	if err := s.index.Removed(ctx, mailbox, ids); err != nil {
		return err
	}
	return s.purge(ctx, mailbox, ids)
}

// purge deletes messages that are marked and not listed any more.
func (s *Store) purge(ctx context.Context, mailbox MailboxID, ids []MessageID) error {
	if err := s.deleteContents(ctx, ids); err != nil {
		return err
	}
	return s.deleteMembers(ctx, mailbox, ids)
}

package cassandra

import (
	"context"
	"errors"
	"fmt"
)

// OrphanAction is what a repair does with content whose message is in no
// mailbox and not in the index.
//
// Content that is younger than gc_grace_seconds can safely be restored: if its
// message was removed, the tombstones still say so. Older content may be what a
// replica that was not repaired in time has kept of a message that was removed.
// The operator decides which is the lesser evil: to lose a message, or to show
// one again that was removed.
type OrphanAction string

const (
	// ReportOrphans leaves them as they are.
	ReportOrphans OrphanAction = ""

	// RestoreOrphans adds them to their mailboxes again, under their own IDs,
	// if the content is complete. If the cluster still knows that a message was
	// removed, it stays removed, and its content is deleted.
	RestoreOrphans OrphanAction = "restore"

	// PurgeOrphans deletes those that are older than gc_grace_seconds, at the
	// second look.
	PurgeOrphans OrphanAction = "purge"
)

// mayPurge reports whether an orphan is old enough to be purged. No delivery of
// that age is acknowledged any more, even if it was frozen: see
// [Session.TooOld].
func (s *Store) mayPurge(id MessageID) bool {
	return s.config.Now().Sub(id.Time()) > gcGrace
}

// mendOrphan restores or purges content without membership.
func (s *Store) mendOrphan(ctx context.Context, r *Report, f *Finding, action OrphanAction) error {
	switch {
	case action == PurgeOrphans && r.Mailbox == MailboxID{}:
		return s.deleteContents(ctx, []MessageID{f.ID})
	case action == PurgeOrphans:
		return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	}
	return s.restoreOrphan(ctx, r, f)
}

// restoreOrphan adds a message to its mailbox, and then to the index. The
// membership has the timestamp of the ID: if the message was removed, the
// tombstone hides the new membership too, and the removal is finished instead.
func (s *Store) restoreOrphan(ctx context.Context, r *Report, f *Finding) error {
	size, err := s.readThrough(ctx, r.Mailbox, f.ID)
	if errors.Is(err, errMissing) {
		return fmt.Errorf("it can only be purged: %w", err)
	}
	if err != nil {
		return err
	}
	if err := s.restoreMember(ctx, r, f, size); err != nil {
		return err
	}
	if err := s.letIn(ctx, r.Mailbox, r.User, f.ID); err != nil {
		return err
	}
	err = s.relist(ctx, r.Mailbox, f, size)
	if errors.Is(err, errRemoved) {
		return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	}
	return err
}

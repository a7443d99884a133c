package cassandra

import (
	"context"
	"errors"
	"fmt"
)

// OrphanAction is what a repair does about content that no mailbox knows of.
//
// Within gc_grace_seconds of its removal, tombstones keep a message from coming
// back, so that what can be restored then was never removed. Of an older message
// there may be nothing left but a part that a replica, which was not repaired in
// time, had kept: it is for whoever runs the cluster to say whether a message
// that may be lost or a message that may have been removed is the lesser evil.
type OrphanAction string

const (
	// ReportOrphans leaves them as they are.
	ReportOrphans OrphanAction = ""

	// RestoreOrphans puts them back into their mailboxes under their own IDs,
	// where the content is complete. One of which the cluster still knows that
	// it was removed stays removed, and the rest of it is deleted.
	RestoreOrphans OrphanAction = "restore"

	// PurgeOrphans deletes them, at the second look; only those that are older
	// than gc_grace_seconds.
	PurgeOrphans OrphanAction = "purge"
)

// mayPurge tells whether an orphan is old enough. No delivery of that age, however
// long it was frozen, is acknowledged any more: see [Session.TooOld].
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

// restoreOrphan puts a message back into its mailbox and then onto the list. The
// membership has the timestamp of the ID: where the message was removed, the
// tombstone hides it again, and the removal is finished instead.
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
	if err := s.writeBucket(ctx, bucketKey{r.Mailbox, f.Bucket}, r.User); err != nil {
		return err
	}
	err = s.relist(ctx, r.Mailbox, f, size)
	if errors.Is(err, errRemoved) {
		return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	}
	if err != nil {
		return err
	}
	return s.leaveGap(ctx, r, f)
}

package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/mailbox"
)

// Finding is something that is wrong in a mailbox.
type Finding struct {
	Kind   FindingKind
	ID     MessageID // zero for NoBucket
	Bucket int64
	Mended bool  // by Repair
	Err    error // why Repair could not mend it

	uidl string // foreign
}

// FindingKind is what is wrong. What Repair does depends on it.
type FindingKind string

const (
	// NotListed: a message is in the mailbox and its content is complete, but
	// it is not in the index. Repair lists it.
	NotListed FindingKind = "not listed"

	// NotRemoved: a message is marked as removed, and its removal is not
	// finished. Repair finishes it.
	NotRemoved FindingKind = "removal not finished"

	// NotComplete: a message is in the mailbox, but no data centre has all of
	// its content. Its delivery was never acknowledged. Repair reports it, and
	// removes it on request: see [RepairOptions.RemoveIncomplete].
	NotComplete FindingKind = "content not complete"

	// NotMember: a message is in the index and its content is complete, but it
	// is not in the mailbox. Repair adds it to the mailbox.
	NotMember FindingKind = "not a member"

	// Ghost: a message is in the index, but neither in the mailbox nor is its
	// content complete. Repair takes it off the list, after a second look.
	Ghost FindingKind = "ghost"

	// InGap: a message is in the mailbox, but in a range that was proven empty,
	// so that no session lists it. A backup was restored, or the replication
	// was raised without a repair of the cluster. Repair delivers it again
	// under a new ID.
	InGap FindingKind = "in a gap"

	// Orphan: there is content, but its message is neither in a mailbox nor in
	// the index. It is of a delivery that failed and could not be undone, or of
	// a removal that the cluster has partly forgotten. Only a scan of
	// everything finds it. Repair restores or purges it on request: see
	// [RepairOptions.Orphans].
	Orphan FindingKind = "content without membership"

	// NoBucket: a bucket has mail, but the ledger of the mailbox does not have
	// the bucket. Repair writes its row.
	NoBucket FindingKind = "bucket without its row"
)

// Report is what Verify or Repair found in a mailbox.
type Report struct {
	User      string // canonical
	Mailbox   MailboxID
	Messages  int // in the mailbox, and not marked as removed
	Findings  []Finding
	Postponed int // messages that are too young to be judged, and findings that need a second look later
}

// Mended returns the number of findings that Repair mended.
func (r Report) Mended() int {
	n := 0
	for _, f := range r.Findings {
		if f.Mended {
			n++
		}
	}
	return n
}

// RepairOptions says what Repair may do.
type RepairOptions struct {
	// Confirm is how long Repair waits before it looks a second time at what it
	// will remove because a part of it is missing everywhere: a ghost, a
	// message whose content is not complete, an orphan. [Config.Horizon] is a
	// safe choice.
	//
	// 0 postpones all of these findings. So does a change of the keyspace's
	// replication within [Config.ReplicationRest]: to a new replica, parts of
	// every message are missing.
	Confirm time.Duration

	// RemoveIncomplete removes messages whose content is complete in no data
	// centre, at the second look.
	RemoveIncomplete bool

	// Orphans is what Repair does with content without membership. The zero
	// value, "", reports it.
	Orphans OrphanAction
}

// Verify compares the mailbox of a user, the index and the content, in every
// data centre, and changes nothing. While a data centre cannot be reached the
// error is temporary.
func (s *Store) Verify(ctx context.Context, user string) (Report, error) {
	report, err := s.survey(ctx, user)
	if err != nil {
		return report, fmt.Errorf("cassandra: verify mailbox of %q: %w", user, temporary(err))
	}
	return report, nil
}

// Repair is Verify, and mends what it finds. Its writes carry the timestamps of
// the IDs, so that it cannot bring back a message that was removed, and can be
// interrupted and run again at any time.
func (s *Store) Repair(ctx context.Context, user string, options RepairOptions) (Report, error) {
	report, err := s.survey(ctx, user)
	if err != nil {
		return report, fmt.Errorf("cassandra: repair mailbox of %q: %w", user, temporary(err))
	}
	var later []*Finding
	for i := range report.Findings {
		f := &report.Findings[i]
		switch s.plan(f, options) {
		case mendNow:
			f.Err = s.mend(ctx, &report, f, options)
		case mendLater:
			later = append(later, f)
		case postpone:
			report.Postponed++
		}
	}
	if len(later) == 0 {
		return report, nil
	}
	rested, err := s.session.replicationRested(ctx)
	if err != nil {
		return report, fmt.Errorf("cassandra: repair mailbox of %q: %w", user, temporary(err))
	}
	if !rested {
		report.Postponed += len(later)
		return report, nil
	}
	if err = s.closeRange(ctx, report.Mailbox, later...); err == nil {
		err = pause(ctx, options.Confirm)
	}
	for _, f := range later {
		if err == nil {
			err = s.mendIfStill(ctx, &report, f, options)
		}
	}
	if err != nil {
		return report, fmt.Errorf("cassandra: repair mailbox of %q: second look: %w", user, temporary(err))
	}
	return report, nil
}

// pause waits, or returns the error of ctx if that ends first.
func pause(ctx context.Context, while time.Duration) error {
	select {
	case <-time.After(while):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plan is what a repair does with a finding.
type plan int

const (
	leave     plan = iota // report it
	mendNow               // mend it at once
	mendLater             // mend it after a second look
	postpone              // leave it to a later repair
)

func (s *Store) plan(f *Finding, options RepairOptions) plan {
	removes := false // mending removes the message, because a part of it is missing
	switch f.Kind {
	case Ghost:
		removes = true
	case NotComplete:
		if !options.RemoveIncomplete {
			return leave
		}
		removes = true
	case Orphan:
		switch options.Orphans {
		case RestoreOrphans:
			return mendNow
		case PurgeOrphans:
			removes = s.mayPurge(f.ID)
			if !removes {
				return postpone
			}
		default:
			return leave
		}
	}
	switch {
	case !removes:
		return mendNow
	case options.Confirm <= 0:
		return postpone
	}
	return mendLater
}

// closeRange writes a fence above messages that will be removed. One of them
// may be of a delivery that was frozen in the middle, for any time. If it goes
// on, either it reads the fence and is not acknowledged, or it had completed
// its writes before, and then the second look reads them.
func (s *Store) closeRange(ctx context.Context, mailbox MailboxID, findings ...*Finding) error {
	var end int64
	for _, f := range findings {
		if f.Kind != Ghost { // a delivery writes the index after it has written all the rest
			end = max(end, f.ID.Timestamp())
		}
	}
	if end == 0 || mailbox == (MailboxID{}) {
		return nil
	}
	return s.writeFence(ctx, mailbox, end)
}

// mendIfStill looks a second time at a finding, and mends it if it is still
// there.
func (s *Store) mendIfStill(ctx context.Context, r *Report, f *Finding, options RepairOptions) error {
	ledger, err := s.ledgerOf(ctx, r.Mailbox)
	if err != nil {
		return err
	}
	again, err := s.examine(ctx, r.Mailbox, ledger, f.ID)
	switch {
	case err != nil:
		return err
	case again.kind != f.Kind:
		r.Postponed++
	default:
		f.Err = s.mend(ctx, r, f, options)
	}
	return nil
}

// mend mends one finding.
func (s *Store) mend(ctx context.Context, r *Report, f *Finding, options RepairOptions) (err error) {
	switch f.Kind {
	case NotListed, NotMember:
		err = s.restore(ctx, r, f)
	case NotRemoved, NotComplete:
		err = s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	case InGap:
		err = s.deliverAgain(ctx, r, f)
	case Ghost:
		err = s.index.Removed(ctx, r.Mailbox, []MessageID{f.ID})
	case Orphan:
		err = s.mendOrphan(ctx, r, f, options.Orphans)
	case NoBucket:
		err = s.writeBucket(ctx, bucketKey{r.Mailbox, f.Bucket}, r.User)
	}
	f.Mended = err == nil
	return err
}

// restore adds a message whose content is complete to the index or to the
// mailbox, whichever does not have it.
func (s *Store) restore(ctx context.Context, r *Report, f *Finding) error {
	size, err := s.readThrough(ctx, r.Mailbox, f.ID)
	if err != nil {
		return err
	}
	if f.Kind != NotMember {
		return s.relist(ctx, r.Mailbox, f, size)
	}
	if err := s.restoreMember(ctx, r, f, size); err != nil {
		return err
	}
	return s.leaveGap(ctx, r, f)
}

// readThrough reads the content of a message that will be listed, in every data
// centre. A chunk may exist without its data, which a count does not notice;
// and data that only one replica has is copied to the others by being read
// (P2).
func (s *Store) readThrough(ctx context.Context, box MailboxID, id MessageID) (size int64, err error) {
	body, err := s.openContent(ctx, cql.EachQuorum, box, id, mailbox.OpenOptions{})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(io.Discard, body)
}

// restoreMember adds a message to its mailbox.
func (s *Store) restoreMember(ctx context.Context, r *Report, f *Finding, size int64) error {
	a := &attempt{id: f.ID, mailbox: r.Mailbox, bucket: f.Bucket, user: r.User, uidl: f.uidl, digest: &contentDigest{size: size}}
	return s.addMember(ctx, a)
}

// errRemoved says that a message was not listed because it is removed.
var errRemoved = errors.New("removed meanwhile")

// relist adds a message to the index, if it is in its mailbox.
func (s *Store) relist(ctx context.Context, mailbox MailboxID, f *Finding, size int64) error {
	found, uidl, err := s.memberUIDL(ctx, cql.EachQuorum, mailbox, f.ID)
	if err != nil {
		return err
	}
	if found != memberLive {
		return errRemoved
	}
	return s.index.Restore(ctx, mailbox, Entry{ID: f.ID, Size: size, UIDL: uidl})
}

// deliverAgain delivers a message that is in a gap under a new ID, and then
// removes the old one. The new message shows the same unique-id (P5).
func (s *Store) deliverAgain(ctx context.Context, r *Report, f *Finding) error {
	if err := s.checkOwner(r); err != nil {
		return err
	}
	body, err := s.openContent(ctx, cql.EachQuorum, r.Mailbox, f.ID, mailbox.OpenOptions{})
	if err != nil {
		return err
	}
	defer body.Close()
	shown := mailbox.UIDL(mailbox.Message{ID: f.ID.String(), UIDL: f.uidl})
	delivery := mailbox.To(r.User)
	delivery.UIDL = shown
	results, err := s.append(ctx, delivery, body, f.ID)
	if err == nil {
		err = results[0].Err
	}
	if err != nil && !errors.Is(err, errDeliveredAgain) {
		return err
	}
	return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
}

// leaveGap delivers a message again if it is in a gap, where no session lists
// it.
func (s *Store) leaveGap(ctx context.Context, r *Report, f *Finding) error {
	ledger, err := s.readLedger(ctx, cql.EachQuorum, r.Mailbox)
	if err != nil || !ledger.inGap(f.ID) {
		return err
	}
	return s.deliverAgain(ctx, r, f)
}

// checkOwner returns an error if a delivery to the user of a mailbox would go
// to another mailbox: a user who was removed and created again has another one,
// which must not get the mail of the old one.
func (s *Store) checkOwner(r *Report) error {
	if r.User == "" {
		return errors.New("it is in a gap, and the user of its mailbox is not known")
	}
	switch current, _, err := s.Mailbox(r.User); {
	case err != nil:
		return err
	case current != r.Mailbox:
		return fmt.Errorf("it is in a gap of a mailbox that %q does not have any more", r.User)
	}
	return nil
}

// repairInBackground repairs a mailbox in which a session has missed something.
// It leaves out what needs a second look. If it fails, the next session asks
// for it again.
func (s *Store) repairInBackground(ctx context.Context, user string) {
	report, err := s.Repair(ctx, user, RepairOptions{})
	if err != nil && ctx.Err() == nil {
		s.repairs.remember(user)
		s.config.OnError(err)
	}
	for _, f := range report.Findings {
		if f.Err != nil {
			s.repairs.remember(user)
			s.config.OnError(fmt.Errorf("cassandra: repair mailbox of %q: %s %s: %w", user, f.Kind, f.ID, f.Err))
		}
	}
}

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

// Finding is something in a mailbox that is not as it should be.
type Finding struct {
	Kind   FindingKind
	ID     MessageID // zero for a bucket
	Bucket int64
	Mended bool  // by Repair
	Err    error // why it could not be mended

	uidl string // foreign
}

// FindingKind says what is wrong, and with it what Repair does.
type FindingKind string

const (
	// NotListed: a message is in the mailbox, its content is complete, and the
	// index does not have it. Repair lists it.
	NotListed FindingKind = "not listed"

	// NotRemoved: a removal has begun and not ended. Repair finishes it.
	NotRemoved FindingKind = "removal not finished"

	// NotComplete: a message is in the mailbox and no data centre has all of
	// its content: its delivery was never acknowledged. Repair reports it, and
	// removes it on request.
	NotComplete FindingKind = "content not complete"

	// NotMember: the index has a message that is not in the mailbox, and the
	// content is complete. Repair puts it into the mailbox.
	NotMember FindingKind = "not a member"

	// Ghost: the index has a message that is not in the mailbox, and there is
	// no content. Repair takes it off the list, after a second look.
	Ghost FindingKind = "ghost"

	// InGap: a message is in the mailbox, in a range that was proven empty, so
	// that no session lists it: a backup was restored, or the replication was
	// raised without a repair. Repair delivers it again under a new ID.
	InGap FindingKind = "in a gap"

	// Orphan: there is content that neither a mailbox nor the index knows of:
	// of a delivery that failed and could not be undone, or of a removal that
	// the cluster has half forgotten. Only a scan of everything finds it. Repair
	// restores or purges it on request: see [RepairOptions.Orphans].
	Orphan FindingKind = "content without membership"

	// NoBucket: a bucket has mail and the mailbox does not say so. Repair
	// writes the row.
	NoBucket FindingKind = "bucket without its row"
)

// Report is what Verify or Repair found in a mailbox.
type Report struct {
	User      string
	Mailbox   MailboxID
	Messages  int // in the mailbox, and not marked as removed
	Findings  []Finding
	Postponed int // findings that are too young, or that want a second look later
}

// Mended counts the findings that Repair mended.
func (r Report) Mended() int {
	n := 0
	for _, f := range r.Findings {
		if f.Mended {
			n++
		}
	}
	return n
}

// RepairOptions says how far Repair may go.
type RepairOptions struct {
	// Confirm is how long to wait between the two looks that are taken before
	// something is removed for good because nobody has the rest of it: a ghost,
	// a message whose content is nowhere complete, an orphan.
	// [Config.Horizon] is the safe choice. 0 postpones all of them, as does a
	// change of the keyspace's replication within [Config.ReplicationRest]:
	// replicas that are new have the rest of nothing.
	Confirm time.Duration

	// RemoveIncomplete removes messages whose content is nowhere complete, at
	// the second look.
	RemoveIncomplete bool

	// Orphans says what is done about content that no mailbox knows of. ""
	// reports it.
	Orphans OrphanAction
}

// Verify compares what the mailbox of a user, the index and the content say of
// each other, in every data centre, and changes nothing. It fails while a data
// centre cannot be reached.
func (s *Store) Verify(ctx context.Context, user string) (Report, error) {
	report, err := s.survey(ctx, user)
	if err != nil {
		return report, fmt.Errorf("cassandra: verify mailbox of %q: %w", user, temporary(err))
	}
	return report, nil
}

// Repair is Verify, and mends what it finds. What it writes carries the
// timestamps of the IDs, so that it cannot bring back what was removed, and may
// be interrupted and run again at any time.
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

func pause(ctx context.Context, while time.Duration) error {
	select {
	case <-time.After(while):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// plan is what a repair does about a finding.
type plan int

const (
	leave     plan = iota // report it
	mendNow               // at once
	mendLater             // at a second look
	postpone              // not in this run
)

func (s *Store) plan(f *Finding, options RepairOptions) plan {
	removes := false // for good, because nobody has the rest of it
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

// closeRange sees to it that a delivery which was frozen in the middle, however
// long, is not acknowledged after what it has written so far was removed: it
// would find the fence above its ID. What it had completed before it looked for
// one the second look sees.
func (s *Store) closeRange(ctx context.Context, mailbox MailboxID, findings ...*Finding) error {
	var end int64
	for _, f := range findings {
		if f.Kind != Ghost { // the index has it: it came that far
			end = max(end, f.ID.Timestamp())
		}
	}
	if end == 0 || mailbox == (MailboxID{}) {
		return nil
	}
	return s.writeFence(ctx, mailbox, end)
}

// mendIfStill mends a finding that is still one at the second look.
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

// restore puts a message whose content is complete onto the list, or into the
// mailbox, whichever lacks it.
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

// readThrough reads the content of a message that is to be listed, in every data
// centre: that there are all chunks does not say that their octets are there, and
// those that one replica has alone come to the others by it (P2).
func (s *Store) readThrough(ctx context.Context, box MailboxID, id MessageID) (size int64, err error) {
	body, err := s.openContent(ctx, cql.EachQuorum, box, id, mailbox.OpenOptions{})
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return io.Copy(io.Discard, body)
}

// restoreMember puts a message into its mailbox.
func (s *Store) restoreMember(ctx context.Context, r *Report, f *Finding, size int64) error {
	a := &attempt{id: f.ID, mailbox: r.Mailbox, bucket: f.Bucket, user: r.User, uidl: f.uidl, digest: &contentDigest{size: size}}
	return s.addMember(ctx, a)
}

// errRemoved says that a message was removed, so that it cannot be listed.
var errRemoved = errors.New("removed meanwhile")

// relist puts a message that is in its mailbox onto the list.
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

// deliverAgain delivers a message that lies in a gap under a new ID, and removes
// the old one then. The unique-id that clients know it by goes with it (P5).
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

// leaveGap delivers a message again that was put back where nobody lists it.
func (s *Store) leaveGap(ctx context.Context, r *Report, f *Finding) error {
	ledger, err := s.readLedger(ctx, cql.EachQuorum, r.Mailbox)
	if err != nil || !ledger.inGap(f.ID) {
		return err
	}
	return s.deliverAgain(ctx, r, f)
}

// checkOwner makes sure that what is delivered to the user of a mailbox comes to
// that mailbox. A user who was removed and created again has another one, which
// must not get the mail of the one before.
func (s *Store) checkOwner(r *Report) error {
	if r.User == "" {
		return errors.New("it lies in a gap, and nobody knows whose it is")
	}
	switch current, _, err := s.Mailbox(r.User); {
	case err != nil:
		return err
	case current != r.Mailbox:
		return fmt.Errorf("it lies in a gap of a mailbox that %q has no more", r.User)
	}
	return nil
}

// repairInBackground repairs a mailbox that a session found wanting, without anything
// that needs a second look. Where that fails, the next session asks for it again.
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

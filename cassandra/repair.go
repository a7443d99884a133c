package cassandra

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// a ghost goes off the list or a message whose content is nowhere complete
	// is removed. [Config.Horizon] is the safe choice. 0 postpones both.
	Confirm time.Duration

	// RemoveIncomplete removes messages whose content is nowhere complete, at
	// the second look.
	RemoveIncomplete bool
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
	var again map[MessageID]FindingKind // at the second look
	for i := range report.Findings {
		f := &report.Findings[i]
		if f.wantsSecondLook(options) && again == nil && options.Confirm > 0 {
			if again, err = s.lookLater(ctx, user, options.Confirm); err != nil {
				return report, fmt.Errorf("cassandra: repair mailbox of %q: second look: %w", user, temporary(err))
			}
		}
		if f.wantsSecondLook(options) && again[f.ID] != f.Kind {
			report.Postponed++
			continue
		}
		f.Err = s.mend(ctx, &report, f, options)
	}
	return report, nil
}

// wantsSecondLook tells whether mending a finding removes something for good
// because nobody has it.
func (f *Finding) wantsSecondLook(options RepairOptions) bool {
	return f.Kind == Ghost || f.Kind == NotComplete && options.RemoveIncomplete
}

// lookLater looks a second time, after a while.
func (s *Store) lookLater(ctx context.Context, user string, while time.Duration) (map[MessageID]FindingKind, error) {
	select {
	case <-time.After(while):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	report, err := s.survey(ctx, user)
	found := make(map[MessageID]FindingKind)
	for _, f := range report.Findings {
		found[f.ID] = f.Kind
	}
	return found, err
}

// mend mends one finding.
func (s *Store) mend(ctx context.Context, r *Report, f *Finding, options RepairOptions) (err error) {
	switch f.Kind {
	case NotListed, NotMember:
		err = s.restore(ctx, r, f)
	case NotRemoved:
		err = s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	case NotComplete:
		if !options.RemoveIncomplete {
			return nil
		}
		err = s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	case InGap:
		err = s.deliverAgain(ctx, r, f)
	case Ghost:
		err = s.index.Removed(ctx, r.Mailbox, []MessageID{f.ID})
	case NoBucket:
		err = s.writeBucket(ctx, bucketKey{r.Mailbox, f.Bucket}, r.User)
	}
	f.Mended = err == nil
	return err
}

// restore puts a message whose content is complete onto the list, or into the
// mailbox, whichever lacks it.
func (s *Store) restore(ctx context.Context, r *Report, f *Finding) error {
	state, err := s.contentState(ctx, s.everywhere(), f.ID)
	if err != nil {
		return err
	}
	if f.Kind == NotMember {
		a := &attempt{id: f.ID, mailbox: r.Mailbox, bucket: f.Bucket, user: r.User, uidl: f.uidl, digest: &contentDigest{size: state.size}}
		return s.addMember(ctx, a)
	}
	found, err := s.member(ctx, s.everywhere(), r.Mailbox, f.ID)
	if err != nil {
		return err
	}
	if found != memberLive {
		return errors.New("removed meanwhile")
	}
	return s.index.Restore(ctx, r.Mailbox, Entry{ID: f.ID, Size: state.size, UIDL: f.uidl})
}

// deliverAgain delivers a message that lies in a gap under a new ID, and removes
// the old one then. The unique-id that clients know it by goes with it (P5).
func (s *Store) deliverAgain(ctx context.Context, r *Report, f *Finding) error {
	body, err := s.openContent(ctx, s.everywhere(), r.Mailbox, f.ID, selectContent)
	if err != nil {
		return err
	}
	defer body.Close()
	shown := mailbox.UIDL(mailbox.Message{ID: f.ID.String(), UIDL: f.uidl})
	delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: r.User}}, UIDL: shown}
	results, err := s.append(ctx, delivery, body, f.ID)
	if err == nil {
		err = results[0].Err
	}
	if err != nil && !errors.Is(err, errDeliveredAgain) {
		return err
	}
	return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
}

// repairBehind repairs a mailbox that a session found wanting, without anything
// that needs a second look. Where that fails, the next session asks for it again.
func (s *Store) repairBehind(ctx context.Context, user string) {
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

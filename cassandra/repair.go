package cassandra

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
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

	// Hidden: a message is in the mailbox, but no session lists it: the seal of
	// its bucket leaves it out, or the bucket has no row and is too old to get
	// one from a delivery. A backup was restored, or the cluster has lost more
	// than it bears. Repair opens the bucket, so that it is sealed anew.
	Hidden FindingKind = "hidden"

	// Doubled: a message shows a foreign unique-id that an older message of the
	// mailbox shows too, so that clients that leave mail on the server fetch
	// one of the two. The claims of unique-ids were lost. Repair lets it show
	// its own ID from then on.
	Doubled FindingKind = "unique-id of another message"

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
			s.mend(ctx, &report, f, options)
		case mendLater:
			later = append(later, f)
		case postpone:
			report.Postponed++
		}
	}
	if err := s.removeLater(ctx, &report, later, options); err != nil {
		return report, fmt.Errorf("cassandra: repair mailbox of %q: second look: %w", user, temporary(err))
	}
	return report, nil
}

// removeLater looks twice at messages of which a part is missing everywhere, and
// removes those of which it is still missing. Its error is that of ctx.
func (s *Store) removeLater(ctx context.Context, r *Report, later []*Finding, options RepairOptions) error {
	if len(later) == 0 {
		return nil
	}
	begun := 0
	for _, f := range later {
		if s.isCertain(ctx, r.Mailbox, f) && s.closeRange(ctx, r.Mailbox, f) == nil {
			later[begun] = f
			begun++
		}
	}
	r.Postponed += len(later) - begun
	if later = later[:begun]; begun == 0 {
		return ctx.Err()
	}
	if err := pause(ctx, options.Confirm); err != nil {
		return err
	}
	for _, f := range later {
		if !s.isCertain(ctx, r.Mailbox, f) {
			r.Postponed++
			continue
		}
		s.mend(ctx, r, f, options)
	}
	return ctx.Err()
}

// isCertain reports whether every replica says what a finding says: that a part
// of its message is missing. One replica may be the last that has the part. So
// nothing is certain while a replica does not answer, or does not know yet what
// it should: after a change of the replication.
func (s *Store) isCertain(ctx context.Context, mailbox MailboxID, f *Finding) bool {
	if s.provable.isOpen() {
		return false
	}
	rested, err := s.rested(ctx)
	if err != nil || !rested {
		return false
	}
	v, err := s.lookAgain(ctx, cql.All, mailbox, f.ID)
	s.provable.note(err)
	return err == nil && v.kind == f.Kind
}

// lookAgain examines a message, with its ledger as it is now.
func (s *Store) lookAgain(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (verdict, error) {
	l, err := s.readBucketRow(ctx, level, bucketKey{mailbox, id.Bucket()})
	if err != nil {
		return verdict{}, err
	}
	return s.examine(ctx, level, mailbox, &l, id)
}

// rested reports whether what is missing everywhere is gone: the replication of
// the keyspace has not changed lately.
func (s *Store) rested(ctx context.Context) (bool, error) {
	node, err := s.session.cluster.Clock(ctx)
	if err != nil {
		return false, err
	}
	return s.session.replicationRested(ctx, node)
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

// closeRange writes a fence above a message that will be removed. It may be of a
// delivery that was frozen in the middle, for any time. If that goes on, either
// it reads the fence and is not acknowledged, or it had completed its writes
// before, and then the second look reads them.
func (s *Store) closeRange(ctx context.Context, mailbox MailboxID, f *Finding) error {
	if f.Kind == Ghost || mailbox == (MailboxID{}) { // a delivery writes the index after it has written all the rest
		return nil
	}
	return s.writeFence(ctx, mailbox, f.ID.Timestamp())
}

// errNotMended says that a finding is still there after it was mended.
var errNotMended = errors.New("it is still there after it was mended: the cluster may have kept a deletion of what was written")

// mend mends one finding, and reads back whether that has helped.
func (s *Store) mend(ctx context.Context, r *Report, f *Finding, options RepairOptions) {
	f.Err = s.mendOnce(ctx, r, f, options)
	if f.Err == nil {
		f.Err = s.readBack(ctx, r.Mailbox, f)
	}
	f.Mended = f.Err == nil
}

func (s *Store) mendOnce(ctx context.Context, r *Report, f *Finding, options RepairOptions) error {
	switch f.Kind {
	case NotListed, NotMember, Hidden:
		return s.restore(ctx, r, f)
	case NotRemoved, NotComplete:
		return s.removeWholly(ctx, r.Mailbox, []MessageID{f.ID})
	case Ghost:
		return s.index.Removed(ctx, r.Mailbox, []MessageID{f.ID})
	case Orphan:
		return s.mendOrphan(ctx, r, f, options.Orphans)
	case Doubled:
		return s.rename(ctx, r.Mailbox, f.ID)
	case NoBucket:
		return s.writeBucket(ctx, cql.EachQuorum, bucketKey{r.Mailbox, f.Bucket}, r.User)
	}
	return nil
}

// readBack returns an error if a finding is still there.
func (s *Store) readBack(ctx context.Context, mailbox MailboxID, f *Finding) error {
	if f.Kind == NoBucket {
		l, err := s.readBucketRow(ctx, cql.EachQuorum, bucketKey{mailbox, f.Bucket})
		if err == nil && l.find(f.Bucket) == nil {
			err = errNotMended
		}
		return err
	}
	v, err := s.lookAgain(ctx, cql.EachQuorum, mailbox, f.ID)
	if err == nil && v.kind == f.Kind {
		err = errNotMended
	}
	return err
}

// restore makes sure that sessions list a message whose content is complete.
func (s *Store) restore(ctx context.Context, r *Report, f *Finding) error {
	size, err := s.readThrough(ctx, r.Mailbox, f.ID)
	if err != nil {
		return err
	}
	switch f.Kind {
	case NotMember:
		if err := s.restoreMember(ctx, r, f, size); err != nil {
			return err
		}
		return s.letIn(ctx, r.Mailbox, r.User, f.ID)
	case Hidden:
		if err := s.openBucket(ctx, bucketKey{r.Mailbox, f.Bucket}, r.User); err != nil {
			return err
		}
	}
	return s.relist(ctx, r.Mailbox, f, size)
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

// repairInBackground repairs messages that a session has missed, or that could
// not be removed. It leaves out what needs a second look. If it fails, the next
// session asks for it again.
func (s *Store) repairInBackground(ctx context.Context, j job) {
	mailbox, user, err := s.Mailbox(j.user)
	if err != nil {
		return
	}
	err = parallel.Each(1, len(j.ids), func(i int) error { return s.repairOne(ctx, mailbox, user, j.ids[i]) })
	if err != nil && ctx.Err() == nil {
		s.repairs.remember(j)
		s.config.OnError(fmt.Errorf("cassandra: repair mailbox of %q: %w", user, err))
	}
}

// repairOne looks at one message, and mends what can be mended at once.
func (s *Store) repairOne(ctx context.Context, mailbox MailboxID, user string, id MessageID) error {
	v, err := s.lookAgain(ctx, cql.EachQuorum, mailbox, id)
	if err != nil || v.kind == "" {
		return err
	}
	f := v.Finding()
	if s.plan(&f, RepairOptions{}) == mendNow {
		s.mend(ctx, &Report{User: user, Mailbox: mailbox}, &f, RepairOptions{})
	}
	return f.Err
}

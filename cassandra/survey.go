package cassandra

import (
	"context"
	"slices"

	"github.com/popcask/popcask/internal/cql"
)

// memberRow is a row of membership.
type memberRow struct {
	id      MessageID
	uidl    string
	live    bool
	removed bool
}

// survey merges, bucket by bucket, what every data centre says of a mailbox.
// Membership and index share their partition key and their order.
func (s *Store) survey(ctx context.Context, user string) (Report, error) {
	id, canonical, err := s.Mailbox(user)
	if err != nil {
		return Report{}, err
	}
	report := Report{User: canonical, Mailbox: id}
	drop, err := s.readDrop(ctx, s.everywhere(), id)
	if err != nil {
		return report, err
	}
	for _, bucket := range s.bucketsToSurvey(drop) {
		if err := s.surveyBucket(ctx, &report, bucket, drop); err != nil {
			return report, err
		}
	}
	return report, nil
}

// surveyedBack is how many buckets before the oldest known one are looked at,
// since a row that should be there may be missing.
const surveyedBack = 3

func (s *Store) bucketsToSurvey(drop dropRows) []int64 {
	recent := s.recentBuckets(s.config.Now())
	first, last := recent[0], recent[len(recent)-1]
	if len(drop.buckets) > 0 {
		first = min(first, drop.buckets[0])
		last = max(last, drop.buckets[len(drop.buckets)-1])
	}
	first -= surveyedBack
	buckets := make([]int64, 0, last-first+1)
	for bucket := first; bucket <= last; bucket++ {
		buckets = append(buckets, bucket)
	}
	return buckets
}

func (s *Store) surveyBucket(ctx context.Context, report *Report, bucket int64, drop dropRows) error {
	members, err := s.readMembers(ctx, report.Mailbox, s.bucketSlice(bucket))
	if err != nil {
		return err
	}
	var entries []Entry
	for entry, err := range s.index.ListEverywhere(ctx, report.Mailbox, []Slice{s.bucketSlice(bucket)}) {
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	if len(members)+len(entries) > 0 && !slices.Contains(drop.buckets, bucket) {
		report.Findings = append(report.Findings, Finding{Kind: NoBucket, Bucket: bucket})
	}
	for len(members)+len(entries) > 0 {
		order := 0
		switch {
		case len(entries) == 0:
			order = -1
		case len(members) == 0:
			order = 1
		default:
			order = members[0].id.Compare(entries[0].ID)
		}
		var member *memberRow
		var entry *Entry
		if order <= 0 {
			member, members = &members[0], members[1:]
		}
		if order >= 0 {
			entry, entries = &entries[0], entries[1:]
		}
		if member != nil && member.live && !member.removed && drop.inGap(member.id) {
			report.Messages++
			report.Findings = append(report.Findings, Finding{Kind: InGap, ID: member.id, Bucket: bucket, uidl: member.uidl})
			continue
		}
		if err := s.judge(ctx, report, bucket, member, entry); err != nil {
			return err
		}
	}
	return nil
}

// judge compares what the mailbox and the index say of one message; one of them
// may be nil.
func (s *Store) judge(ctx context.Context, report *Report, bucket int64, member *memberRow, entry *Entry) error {
	found := func(kind FindingKind, id MessageID) {
		report.Findings = append(report.Findings, Finding{Kind: kind, ID: id, Bucket: bucket, uidl: uidlOf(member, entry)})
	}
	if member != nil && member.removed {
		found(NotRemoved, member.id)
		return nil
	}
	if member != nil {
		report.Messages++
	}
	id := idOf(member, entry)
	state, err := s.contentState(ctx, s.everywhere(), id)
	if err != nil {
		return err
	}
	young := s.config.Now().Sub(id.Time()) < s.config.Horizon
	switch {
	case member != nil && entry != nil && state.complete:
	case young: // its delivery may be under way
		report.Postponed++
	case member != nil && !state.complete:
		found(NotComplete, id)
	case entry == nil:
		found(NotListed, id)
	case state.complete && state.mailbox == report.Mailbox:
		found(NotMember, id)
	default:
		found(Ghost, id)
	}
	return nil
}

func idOf(member *memberRow, entry *Entry) MessageID {
	if member != nil {
		return member.id
	}
	return entry.ID
}

func uidlOf(member *memberRow, entry *Entry) string {
	if member != nil {
		return member.uidl
	}
	return entry.UIDL
}

// readMembers reads the memberships of a slice from every data centre. A slice
// in which there are too many tombstones is read in two halves, as the listing
// does it.
func (s *Store) readMembers(ctx context.Context, mailbox MailboxID, slice Slice) (members []memberRow, err error) {
	first, last := slice.Borders()
	err = s.db.Each(ctx, s.everywhere(), selectMembers, func(row cql.Row) error {
		var m memberRow
		var id [16]byte
		var size *int64
		if err := row.Scan(&id, &size, &m.uidl, &m.removed); err != nil {
			return err
		}
		m.id = id
		m.live = size != nil
		members = append(members, m)
		return nil
	}, [16]byte(mailbox), slice.Bucket, [16]byte(first), [16]byte(last))
	if lower, upper, ok := slice.Halves(); ok && cql.TooManyTombstones(err) {
		if members, err = s.readMembers(ctx, mailbox, lower); err != nil {
			return nil, err
		}
		more, err := s.readMembers(ctx, mailbox, upper)
		return append(members, more...), err
	}
	return members, err
}

// contentState is what there is of a message's content.
type contentState struct {
	complete bool
	mailbox  MailboxID
	size     int64
}

// contentState counts the chunks of a message without reading them.
func (s *Store) contentState(ctx context.Context, level cql.Level, id MessageID) (state contentState, err error) {
	want, number, gap := -1, 0, false
	err = s.db.Each(ctx, level, selectChunks, func(row cql.Row) error {
		var mailbox []byte
		var size *int64
		var chunks, chunk *int
		if err := row.Scan(&mailbox, &size, &chunks, &chunk); err != nil {
			return err
		}
		if len(mailbox) == len(state.mailbox) {
			state.mailbox = MailboxID(mailbox)
		}
		if size != nil && chunks != nil {
			state.size, want = *size, *chunks
		}
		if chunk != nil {
			gap = gap || *chunk != number
			number++
		}
		return nil
	}, [16]byte(id))
	state.complete = err == nil && !gap && want > 0 && number == want && state.mailbox != MailboxID{}
	return state, err
}

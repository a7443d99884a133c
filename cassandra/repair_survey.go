package cassandra

import (
	"context"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/parallel"
)

// survey compares a mailbox, the index and the content in every data centre,
// bucket by bucket.
func (s *Store) survey(ctx context.Context, user string) (Report, error) {
	id, canonical, err := s.Mailbox(user)
	if err != nil {
		return Report{}, err
	}
	report := Report{User: canonical, Mailbox: id}
	ledger, err := s.readLedger(ctx, cql.EachQuorum, id)
	if err != nil {
		return report, err
	}
	for _, bucket := range s.bucketsToSurvey(ledger) {
		messages, err := s.readBucket(ctx, id, bucket)
		if err != nil {
			return report, err
		}
		if len(messages) > 0 && !slices.Contains(ledger.buckets, bucket) {
			report.Findings = append(report.Findings, Finding{Kind: NoBucket, Bucket: bucket})
		}
		if err := s.surveyBucket(ctx, &report, ledger, messages); err != nil {
			return report, err
		}
	}
	return report, nil
}

const (
	// surveyedBack is how many buckets before the oldest one in the ledger are
	// surveyed too, since rows of the ledger may be missing.
	surveyedBack = 3

	// surveyedBetween: from the oldest to the newest bucket, those that are not
	// in the ledger are surveyed too, if there are fewer buckets than this. If
	// there are more, because buckets are short, only a scan of everything
	// finds a bucket that has mail and is not in the ledger.
	surveyedBetween = 100
)

// bucketsToSurvey returns the buckets that may have mail, ascending.
func (s *Store) bucketsToSurvey(ledger ledgerRows) []int64 {
	buckets := slices.Concat(ledger.buckets, s.recentBuckets(s.config.Now()))
	slices.Sort(buckets)
	first, last := buckets[0]-surveyedBack, buckets[len(buckets)-1]
	for bucket := first; bucket <= last && (bucket < buckets[0] || last-first < surveyedBetween); bucket++ {
		buckets = append(buckets, bucket)
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

// pair is a message in the mailbox, in the index, or in both. One of member and
// entry may be nil.
type pair struct {
	id     MessageID
	member *memberRow
	entry  *Entry
}

// readBucket reads one bucket in the mailbox and in the index, in every data
// centre.
func (s *Store) readBucket(ctx context.Context, mailbox MailboxID, bucket int64) ([]pair, error) {
	members, err := s.readMembers(ctx, mailbox, s.session.bucketSlice(bucket))
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for entry, err := range s.index.ListEverywhere(ctx, mailbox, []Slice{s.session.bucketSlice(bucket)}) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return pairs(members, entries), nil
}

// pairs merges the memberships and the entries of one bucket, both in the order
// of their IDs.
func pairs(members []memberRow, entries []Entry) []pair {
	list := make([]pair, 0, max(len(members), len(entries)))
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
		var p pair
		if order >= 0 {
			p.id, p.entry, entries = entries[0].ID, &entries[0], entries[1:]
		}
		if order <= 0 {
			p.id, p.member, members = members[0].id, &members[0], members[1:]
		}
		list = append(list, p)
	}
	return list
}

// lookers is how many messages are examined at the same time.
const lookers = 16

// surveyBucket judges the messages of one bucket. A message with a finding is
// read again by itself: it may have been delivered or removed meanwhile.
func (s *Store) surveyBucket(ctx context.Context, report *Report, ledger ledgerRows, messages []pair) error {
	verdicts := make([]verdict, len(messages))
	err := parallel.Each(lookers, len(messages), func(i int) error {
		p := messages[i]
		content, err := s.countContent(ctx, p.id)
		if err != nil {
			return err
		}
		if verdicts[i] = s.judge(report.Mailbox, ledger, p, content); verdicts[i].kind != "" {
			verdicts[i], err = s.examine(ctx, report.Mailbox, ledger, p.id)
		}
		return err
	})
	if err != nil {
		return err
	}
	for i, p := range messages {
		if p.member.isMember() {
			report.Messages++
		}
		report.note(verdicts[i])
	}
	return nil
}

// note adds a verdict to a report.
func (r *Report) note(v verdict) {
	if v.young {
		r.Postponed++
	}
	if v.kind != "" {
		r.Findings = append(r.Findings, v.Finding())
	}
}

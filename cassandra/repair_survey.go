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
	l, err := s.readLedger(ctx, cql.EachQuorum, id)
	if err != nil {
		return report, err
	}
	for _, bucket := range s.bucketsToSurvey(&l) {
		key, noted := bucketKey{id, bucket}, false
		for group, err := range groups(s.bucketPairs(ctx, cql.EachQuorum, key, []Slice{BucketSlice(bucket)})) {
			if err != nil {
				return report, err
			}
			if !noted && l.lacks(bucket) {
				report.Findings = append(report.Findings, Finding{Kind: NoBucket, Bucket: bucket})
			}
			noted = true
			if err := s.surveyGroup(ctx, &report, &l, group); err != nil {
				return report, err
			}
		}
	}
	return report, nil
}

const (
	// surveyedBack is how many buckets of 30 days before the oldest one in the
	// ledger are surveyed too, and surveyedMonths how many are surveyed at most
	// that are not in the ledger. Rows of the ledger may be missing. Only a scan
	// of everything finds mail in other buckets.
	surveyedBack   = 3
	surveyedMonths = 100
)

// bucketsToSurvey returns the buckets that may have mail, ascending.
func (s *Store) bucketsToSurvey(l *ledger) (buckets []int64) {
	const next = widthBits + 1
	now := s.config.Now()
	first, last := aMonth.at(now.UnixMicro()), aMonth.at(now.Add(s.config.Horizon).UnixMicro())
	for _, row := range l.buckets {
		buckets = append(buckets, row.bucket)
		first = min(first, aMonth.at(BucketSlice(row.bucket).From))
	}
	for month := max(first-surveyedBack*next, last-surveyedMonths*next); month <= last; month += next {
		buckets = append(buckets, month)
	}
	slices.Sort(buckets)
	return slices.Compact(buckets)
}

// lookers is how many messages are examined at the same time.
const lookers = 16

// surveyGroup judges some messages, and adds what it finds to a report.
func (s *Store) surveyGroup(ctx context.Context, report *Report, l *ledger, group []pair) error {
	verdicts, err := s.judgeGroup(ctx, l, group)
	for i, p := range group {
		if p.member.isMember() {
			report.Messages++
		}
		if err == nil {
			report.note(verdicts[i])
		}
	}
	return err
}

// judgeGroup judges some messages of one bucket. A message with a finding is
// read again by itself: it may have been delivered or removed meanwhile.
func (s *Store) judgeGroup(ctx context.Context, l *ledger, group []pair) ([]verdict, error) {
	verdicts := make([]verdict, len(group))
	err := parallel.Each(lookers, len(group), func(i int) error {
		p := group[i]
		content, err := s.countContent(ctx, cql.EachQuorum, p.id)
		if err != nil {
			return err
		}
		if verdicts[i], err = s.judgeUIDL(ctx, cql.EachQuorum, p, s.judge(l, p, content)); err == nil && verdicts[i].kind != "" {
			verdicts[i], err = s.examine(ctx, cql.EachQuorum, p.mailbox, l, p.id)
		}
		return err
	})
	return verdicts, err
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

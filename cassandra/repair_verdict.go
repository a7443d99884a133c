package cassandra

import (
	"context"

	"github.com/popcask/popcask/cassandra/cql"
)

// verdict is what is wrong with a message.
type verdict struct {
	id     MessageID
	bucket int64
	kind   FindingKind // "": nothing
	young  bool        // its delivery may be under way: it is not judged
	uidl   string      // foreign
}

// Finding returns the verdict as a finding of a report.
func (v verdict) Finding() Finding {
	return Finding{Kind: v.kind, ID: v.id, Bucket: v.bucket, uidl: v.uidl}
}

// judge compares the mailbox, the index and the content of one message. The
// kinds are explained at [FindingKind]; PROMISES.md has what a repair does with
// each.
func (s *Store) judge(l *ledger, p pair, content contentCount) verdict {
	v := verdict{id: p.id, bucket: p.id.Bucket()}
	switch {
	case p.member != nil:
		v.uidl = p.member.uidl
	case p.entry != nil:
		v.uidl = p.entry.UIDL
	}
	member, listed := p.member.isMember(), p.entry != nil
	switch {
	case p.member != nil && p.member.removed:
		v.kind = NotRemoved
	case member && content.complete() && l.hides(p.id):
		v.kind = Hidden
	case member && listed && content.complete():
	case !member && !listed && !content.exists():
	case s.config.Now().Sub(p.id.Time()) < s.config.Horizon:
		v.young = true
	case member && !content.complete():
		v.kind = NotComplete
	case member:
		v.kind = NotListed
	case !listed:
		v.kind = Orphan
	case content.complete() && content.mailbox == p.mailbox:
		v.kind = NotMember
	default:
		v.kind = Ghost
	}
	return v
}

// examine looks at one message, at a level, until two looks in a row have the
// same verdict: a message that is delivered or removed during a look is not a
// finding.
func (s *Store) examine(ctx context.Context, level cql.Level, mailbox MailboxID, l *ledger, id MessageID) (verdict, error) {
	before, err := s.look(ctx, level, mailbox, l, id)
	for err == nil && before.kind != "" {
		var now verdict
		now, err = s.look(ctx, level, mailbox, l, id)
		if now.kind == before.kind {
			break
		}
		before = now
	}
	return before, err
}

// look reads everything about one message, first the membership and last the
// content. A removal deletes them the other way round. So if there is no
// membership but there is content, no removal has come in between.
func (s *Store) look(ctx context.Context, level cql.Level, mailbox MailboxID, l *ledger, id MessageID) (verdict, error) {
	p := pair{placed: placed{bucketKey{mailbox, id.Bucket()}, id}}
	if mailbox != (MailboxID{}) {
		found, uidl, err := s.memberUIDL(ctx, level, mailbox, id)
		if err != nil {
			return verdict{}, err
		}
		if found != memberAbsent {
			p.member = &memberRow{id: id, uidl: uidl, live: found == memberLive, removed: found == memberRemoved}
		}
		if p.entry, err = s.entry(ctx, level, mailbox, id); err != nil {
			return verdict{}, err
		}
	}
	content, err := s.countContent(ctx, level, id)
	if err != nil {
		return verdict{}, err
	}
	return s.judgeUIDL(ctx, level, p, s.judge(l, p, content))
}

// entry returns the entry of one message in the index, or nil.
func (s *Store) entry(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (*Entry, error) {
	at := id.Timestamp()
	for entry, err := range s.index.List(ctx, level, mailbox, []Slice{{Bucket: id.Bucket(), From: at, To: at, IDs: []MessageID{id}}}) {
		return &entry, err
	}
	return nil, nil
}

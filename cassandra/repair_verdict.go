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
func (s *Store) judge(mailbox MailboxID, ledger ledgerRows, p pair, content contentCount) verdict {
	v := verdict{id: p.id, bucket: s.session.Bucket(p.id)}
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
	case member && content.complete() && ledger.inGap(p.id):
		v.kind = InGap
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
	case content.complete() && content.mailbox == mailbox:
		v.kind = NotMember
	default:
		v.kind = Ghost
	}
	return v
}

// examine looks at one message, in every data centre, until two looks in a row
// have the same verdict: a message that is delivered or removed during a look
// is not a finding.
func (s *Store) examine(ctx context.Context, mailbox MailboxID, ledger ledgerRows, id MessageID) (verdict, error) {
	before, err := s.look(ctx, mailbox, ledger, id)
	for err == nil && before.kind != "" {
		var now verdict
		now, err = s.look(ctx, mailbox, ledger, id)
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
func (s *Store) look(ctx context.Context, mailbox MailboxID, ledger ledgerRows, id MessageID) (verdict, error) {
	p := pair{id: id}
	if mailbox != (MailboxID{}) {
		found, uidl, err := s.memberUIDL(ctx, cql.EachQuorum, mailbox, id)
		if err != nil {
			return verdict{}, err
		}
		if found != memberAbsent {
			p.member = &memberRow{id: id, uidl: uidl, live: found == memberLive, removed: found == memberRemoved}
		}
		if p.entry, err = s.entry(ctx, mailbox, id); err != nil {
			return verdict{}, err
		}
	}
	content, err := s.countContent(ctx, id)
	if err != nil {
		return verdict{}, err
	}
	return s.judge(mailbox, ledger, p, content), nil
}

// entry returns the entry of one message in the index, or nil.
func (s *Store) entry(ctx context.Context, mailbox MailboxID, id MessageID) (*Entry, error) {
	at := id.Timestamp()
	for entry, err := range s.index.ListEverywhere(ctx, mailbox, []Slice{{Bucket: s.session.Bucket(id), From: at, To: at}}) {
		if err != nil {
			return nil, err
		}
		if entry.ID == id {
			return &entry, nil
		}
	}
	return nil, nil
}

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
	young  bool        // it may be a delivery that is under way: left alone
	uidl   string      // foreign
}

// Finding is the verdict for a report.
func (v verdict) Finding() Finding {
	return Finding{Kind: v.kind, ID: v.id, Bucket: v.bucket, uidl: v.uidl}
}

// judge compares what the mailbox, the index and the content say of one message:
// the design's table of repairs.
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

// examine looks at one message in every data centre until two looks in a row
// come to the same: what comes or goes in the middle of one is no finding.
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

// look reads all there is about one message. The membership comes first, and the
// content last: a removal deletes the content before the membership, so that a
// message without one whose content is there was not removed in between.
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

// entry asks the index about one message; nil where it does not have it.
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

package cassandra

import (
	"context"

	"github.com/popcask/popcask/cassandra/cql"
)

// judgeUIDL completes the verdict about a message that came with a foreign
// unique-id and is well: it is Doubled if an older message of the mailbox has
// claimed the unique-id, and shows it. Of two such messages the older one keeps
// it.
func (s *Store) judgeUIDL(ctx context.Context, level cql.Level, p pair, v verdict) (verdict, error) {
	if v.kind != "" || v.young || v.uidl == "" || !p.member.isMember() {
		return v, nil
	}
	claims, err := s.claims(ctx, level, p.mailbox, v.uidl)
	if err != nil {
		return v, err
	}
	for _, id := range claims {
		if id.Compare(p.id) >= 0 {
			continue
		}
		found, uidl, err := s.memberUIDL(ctx, level, p.mailbox, id)
		if err != nil {
			return v, err
		}
		if found == memberLive && uidl == v.uidl {
			v.kind = Doubled
			break
		}
	}
	return v, nil
}

// rename lets a message show its own ID from now on. A listing comes first: if
// this breaks off after it, the message is found again.
func (s *Store) rename(ctx context.Context, mailbox MailboxID, id MessageID) error {
	entry, err := s.entry(ctx, cql.EachQuorum, mailbox, id)
	if err != nil {
		return err
	}
	if entry == nil {
		return errRemoved
	}
	if err := s.index.Renamed(ctx, mailbox, Entry{ID: id, Size: entry.Size}); err != nil {
		return err
	}
	return s.db.Exec(ctx, cql.LocalQuorum, nameMember, RenamedAt(id), "", [16]byte(mailbox), id.Bucket(), [16]byte(id))
}

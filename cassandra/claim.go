package cassandra

import (
	"context"
	"fmt"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
)

// claimUIDL decides, for the life of the message, whether it shows the foreign
// unique-id that it came with. Ordinary mail has none.
//
// Each message that wants a unique-id writes a row, its claim, in every data
// centre, and then looks for the claims of others, on every replica. If there is
// none, or their owners have let go, the unique-id is this message's for ever,
// and only now is anything written that shows it. Otherwise the message lets go,
// and goes without; while it is not certain what becomes of the others, it is
// refused with a temporary error, since they may let go too. So of two that
// look at the same moment none shows the unique-id (P5).
//
// Only its owner lets a claim go, and not after the membership was sent. A
// process that dies takes the unique-id with it. So a unique-id is never given
// out again, not even after its message was removed.
func (s *Store) claimUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	if id, err := ParseMessageID(a.uidl); err == nil { // a message of our own may show its ID
		found, err := s.member(ctx, cql.EachQuorum, a.mailbox, id)
		if err != nil {
			return err
		}
		if found != memberAbsent {
			a.uidl = ""
			return nil
		}
	}
	a.claimed = true
	err := s.db.Exec(ctx, cql.EachQuorum, insertClaim, AddedAt(a.id), [16]byte(a.mailbox), a.uidl, [16]byte(a.id))
	if err != nil {
		return err
	}
	rivals, err := s.claims(ctx, cql.All, a.mailbox, a.uidl)
	rivals = slices.DeleteFunc(rivals, func(id MessageID) bool { return id == a.id })
	if err != nil || len(rivals) == 0 {
		return err
	}
	if err := s.letGo(ctx, a.mailbox, a.uidl, a.id); err != nil {
		return err
	}
	a.claimed = false
	certain, err := s.hasOne(ctx, a, rivals)
	if err != nil {
		return err
	}
	if !certain {
		return fmt.Errorf("message %s has just asked for the unique-id, and may not get it", rivals[0])
	}
	a.uidl = ""
	return nil
}

// claims returns the messages that have a claim of a unique-id.
func (s *Store) claims(ctx context.Context, level cql.Level, mailbox MailboxID, uidl string) (ids []MessageID, err error) {
	err = cql.Each(ctx, s.db, level, selectClaims, func(row cql.Row) error {
		var id [16]byte
		var gone bool
		if err := row.Scan(&id, &gone); err != nil {
			return err
		}
		if !gone {
			ids = append(ids, id)
		}
		return nil
	}, [16]byte(mailbox), uidl)
	return ids, err
}

// hasOne reports whether it is certain that one of the rivals got the unique-id,
// or took it with it: its membership has it, or its claim is old.
func (s *Store) hasOne(ctx context.Context, a *attempt, rivals []MessageID) (bool, error) {
	for _, rival := range rivals {
		if s.config.Now().Sub(rival.Time()) >= s.config.Horizon {
			return true, nil
		}
		_, has, err := s.memberUIDL(ctx, cql.EachQuorum, a.mailbox, rival)
		if err != nil || has == a.uidl {
			return err == nil, err
		}
	}
	return false, nil
}

// letGo writes that the message goes without the unique-id.
func (s *Store) letGo(ctx context.Context, mailbox MailboxID, uidl string, id MessageID) error {
	return s.db.Exec(ctx, cql.LocalQuorum, insertGone, markedAt(id), [16]byte(mailbox), uidl, [16]byte(id), true)
}

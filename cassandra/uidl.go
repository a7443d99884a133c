package cassandra

import (
	"context"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/internal/cql"
)

// claimUIDL settles, for the life of the message, whether it shows the foreign
// unique-id that it came with. Each message that asks for one leaves a row in a
// partition of the mailbox and the unique-id; whoever finds an older claim of a
// message that is there gives its own up. Ordinary mail never comes here.
//
// Two data centres that take the same unique-id for the same mailbox at the same
// moment may both keep it: import a mailbox through one of them.
func (s *Store) claimUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	partition := [16]byte(uuid.NewV5(uuid.UUID(a.mailbox), a.uidl))
	err := s.db.Exec(ctx, cql.LocalQuorum, insertClaim, addedAt(a.id), partition, kindUIDL, a.id.Timestamp(), [16]byte(a.id))
	if err != nil {
		return err
	}
	var older []MessageID
	if id, err := ParseMessageID(a.uidl); err == nil {
		older = append(older, id) // it may be what that message shows
	}
	err = s.db.Each(ctx, cql.LocalQuorum, selectClaims, func(row cql.Row) error {
		var owner [16]byte
		if err := row.Scan(&owner); err != nil {
			return err
		}
		if id := MessageID(owner); id.Compare(a.id) < 0 {
			older = append(older, id)
		}
		return nil
	}, partition, kindUIDL)
	if err != nil {
		return err
	}
	for _, id := range older {
		m, err := s.member(ctx, cql.LocalQuorum, a.mailbox, id)
		if err != nil {
			return err
		}
		if m == memberLive {
			a.uidl = ""
			return nil
		}
	}
	return nil
}

package cassandra

import (
	"context"
	"errors"
	"fmt"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/internal/cql"
)

// claimUIDL settles, for the life of the message, whether it shows the foreign
// unique-id that it came with. Each message that asks for one leaves a row in a
// partition of the mailbox and the unique-id; whoever finds an older message that
// shows it gives its own claim up. Ordinary mail never comes here.
//
// Unlike ordinary mail, one with a foreign unique-id is written in every data
// centre before it is acknowledged, and refused for now where one of them is out
// of reach: another may be taking the same unique-id (P5).
func (s *Store) claimUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	// The key is the ID's own tick, of which a process has no two.
	err := s.db.Exec(ctx, a.level(), insertClaim, AddedAt(a.id), claims(a), kindUIDL, int64(a.id.ticks()), [16]byte(a.id))
	if err != nil {
		return err
	}
	if id, err := ParseMessageID(a.uidl); err == nil { // it may be what that message shows
		m, _, err := s.memberUIDL(ctx, s.everywhere(), a.mailbox, id)
		if err != nil {
			return err
		}
		if m == memberLive && id != a.instead {
			a.uidl = ""
			return nil
		}
	}
	err = s.eachClaim(ctx, a, func(id MessageID, m membership, shows string) error {
		if m == memberLive && shows == a.uidl && id.Compare(a.id) < 0 {
			a.uidl = ""
		}
		return nil
	})
	if err == nil && a.uidl == "" && a.instead != (MessageID{}) {
		return errDeliveredAgain
	}
	return err
}

// errDeliveredAgain says that another message has taken the place already: the
// repair that delivered it was broken off.
var errDeliveredAgain = errors.New("delivered again already")

// confirmUIDL looks once more, after the membership is acknowledged, whether
// another message shows the unique-id: of those that took it at the same moment
// at least one sees the other, since quorums intersect, and is not acknowledged.
func (s *Store) confirmUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	return s.eachClaim(ctx, a, func(id MessageID, m membership, shows string) error {
		if m == memberLive && shows == a.uidl {
			return fmt.Errorf("message %s took the unique-id at the same moment", id)
		}
		return nil
	})
}

// level is where the claim and the membership must be acknowledged: whoever
// claims the same unique-id looks for them in its own data centre.
func (a *attempt) level() cql.Level {
	if a.uidl != "" {
		return cql.EachQuorum
	}
	return cql.LocalQuorum
}

// claims is the partition of those who claim a unique-id in a mailbox.
func claims(a *attempt) [16]byte { return [16]byte(uuid.NewV5(uuid.UUID(a.mailbox), a.uidl)) }

// eachClaim looks at every other message that claims the unique-id, but for the
// one whose place this takes.
func (s *Store) eachClaim(ctx context.Context, a *attempt, look func(id MessageID, m membership, shows string) error) error {
	var others []MessageID
	err := s.db.Each(ctx, cql.LocalQuorum, selectClaims, func(row cql.Row) error {
		var owner [16]byte
		if err := row.Scan(&owner); err != nil {
			return err
		}
		if owner != a.id && owner != a.instead {
			others = append(others, owner)
		}
		return nil
	}, claims(a), kindUIDL)
	if err != nil {
		return err
	}
	for _, id := range others {
		m, shows, err := s.memberUIDL(ctx, cql.LocalQuorum, a.mailbox, id)
		if err == nil {
			err = look(id, m, shows)
		}
		if err != nil || a.uidl == "" {
			return err
		}
	}
	return nil
}

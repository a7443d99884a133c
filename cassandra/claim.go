package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/cassandra/cql"
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
	err := s.db.Exec(ctx, a.level(), insertClaim, AddedAt(a.id), claims(a), kindUIDL, claimKey(a.id), [16]byte(a.id), claimKey(a.instead))
	if err != nil {
		return err
	}
	if id, err := ParseMessageID(a.uidl); err == nil { // it may be what that message shows
		m, _, err := s.memberUIDL(ctx, cql.EachQuorum, a.mailbox, id)
		if err != nil {
			return err
		}
		if m == memberLive && id != a.instead {
			a.uidl = ""
			return nil
		}
	}
	return s.eachRival(ctx, a, func(other claim) error {
		switch {
		case a.samePlace(other):
			return s.deliveredAgain(other.owner)
		case other.owner.Compare(a.id) < 0:
			a.uidl = ""
		}
		return nil
	})
}

// deliveredAgain tells what it means that a message has taken the place already.
// One that is young may be a delivery that is under way, and fail.
func (s *Store) deliveredAgain(id MessageID) error {
	if s.config.Now().Sub(id.Time()) < s.config.Horizon {
		return fmt.Errorf("message %s has just taken its place, which is not certain yet", id)
	}
	return errDeliveredAgain
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
	return s.eachRival(ctx, a, func(other claim) error {
		return fmt.Errorf("message %s took the unique-id at the same moment", other.owner)
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

// claimKey is the key of a message's claim: of two processes with the same clock
// no two messages have the same one. It is 0 for no message.
func claimKey(id MessageID) int64 {
	return int64(id.ticks() ^ binary.BigEndian.Uint64(id[8:]))
}

// claim is what a message has left that asked for a unique-id.
type claim struct {
	owner   MessageID
	instead int64 // key of the message in a gap whose place it takes; 0 for almost all mail
}

// samePlace tells whether both take the place of one message.
func (a *attempt) samePlace(other claim) bool {
	return a.instead != (MessageID{}) && other.instead == claimKey(a.instead)
}

// eachRival looks at every other message that shows the unique-id, or takes the
// same place, but for the one whose place it is.
func (s *Store) eachRival(ctx context.Context, a *attempt, look func(claim) error) error {
	uidl := a.uidl
	var others []claim
	err := cql.Each(ctx, s.db, cql.LocalQuorum, selectClaims, func(row cql.Row) error {
		var owner []byte
		var other claim
		if err := row.Scan(&owner, &other.instead); err != nil {
			return err
		}
		if owner == nil { // nothing else of it has come here: it was never acknowledged
			return nil
		}
		if other.owner = MessageID(owner); other.owner != a.id && other.owner != a.instead {
			others = append(others, other)
		}
		return nil
	}, claims(a), kindUIDL)
	if err != nil {
		return err
	}
	for _, other := range others {
		m, shows, err := s.memberUIDL(ctx, cql.LocalQuorum, a.mailbox, other.owner)
		if err == nil && m == memberLive && (shows == uidl || a.samePlace(other)) {
			err = look(other)
		}
		if err != nil || a.uidl == "" && a.instead == (MessageID{}) {
			return err
		}
	}
	return nil
}

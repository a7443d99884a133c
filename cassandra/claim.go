package cassandra

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/cassandra/cql"
)

// claimUIDL decides, for the life of the message, whether it shows the foreign
// unique-id that it came with. Each message that wants one leaves a row, its
// claim, in a partition that belongs to the mailbox and the unique-id. A
// message that finds an older one which shows the unique-id goes without.
// Ordinary mail has no claim.
//
// Unlike ordinary mail, a message with a foreign unique-id is written in every
// data centre before it is acknowledged. If one of them is out of reach it is
// refused with a temporary error: that data centre may be accepting the same
// unique-id (P5).
func (s *Store) claimUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	err := s.db.Exec(ctx, a.level(), insertClaim, AddedAt(a.id), claims(a), kindUIDL, claimKey(a.id), [16]byte(a.id), claimKey(a.instead))
	if err != nil {
		return err
	}
	if id, err := ParseMessageID(a.uidl); err == nil { // a message of our own may show its ID
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

// deliveredAgain returns the error that another message has taken the place
// already. A young one is not certain: its delivery may be under way, and fail.
func (s *Store) deliveredAgain(id MessageID) error {
	if s.config.Now().Sub(id.Time()) < s.config.Horizon {
		return fmt.Errorf("message %s has just taken its place, and is not certain yet", id)
	}
	return errDeliveredAgain
}

// errDeliveredAgain says that another message has taken the place already: an
// earlier repair delivered it and was interrupted.
var errDeliveredAgain = errors.New("delivered again already")

// confirmUIDL checks once more, after the membership is acknowledged, that no
// other message shows the unique-id. If two messages took it at the same
// moment, at least one of them reads the other, since quorums intersect, and is
// refused.
func (s *Store) confirmUIDL(ctx context.Context, a *attempt) error {
	if a.uidl == "" {
		return nil
	}
	return s.eachRival(ctx, a, func(other claim) error {
		return fmt.Errorf("message %s took the unique-id at the same moment", other.owner)
	})
}

// level returns the level of the writes of the claim and the membership. A
// claim must be written in every data centre, since other claims read only
// their own.
func (a *attempt) level() cql.Level {
	if a.uidl != "" {
		return cql.EachQuorum
	}
	return cql.LocalQuorum
}

// claims returns the partition key of the claims of a unique-id in a mailbox.
func claims(a *attempt) [16]byte { return [16]byte(uuid.NewV5(uuid.UUID(a.mailbox), a.uidl)) }

// claimKey returns the clustering key of a message's claim. It is different for
// every message, even if two processes have the same clock; it is 0 for the
// zero ID.
func claimKey(id MessageID) int64 {
	return int64(id.ticks() ^ binary.BigEndian.Uint64(id[8:]))
}

// claim is the row of a message that wants a unique-id.
type claim struct {
	owner   MessageID
	instead int64 // the claimKey of the message in a gap that it replaces; 0 for almost all mail
}

// samePlace reports whether both messages replace the same one.
func (a *attempt) samePlace(other claim) bool {
	return a.instead != (MessageID{}) && other.instead == claimKey(a.instead)
}

// eachRival calls look for every other message that shows the unique-id, or
// replaces the same message; not for the message that is replaced.
func (s *Store) eachRival(ctx context.Context, a *attempt, look func(claim) error) error {
	uidl := a.uidl
	var others []claim
	err := cql.Each(ctx, s.db, cql.LocalQuorum, selectClaims, func(row cql.Row) error {
		var owner []byte
		var other claim
		if err := row.Scan(&owner, &other.instead); err != nil {
			return err
		}
		if owner == nil { // only the key is here: the claim was never acknowledged
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

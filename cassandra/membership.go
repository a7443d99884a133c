package cassandra

import (
	"context"
	"errors"

	"github.com/popcask/popcask/cassandra/cql"
)

// membership is whether a message is in a mailbox.
type membership int

const (
	memberAbsent  membership = iota // no: never added, or removed and purged
	memberLive                      // yes
	memberRemoved                   // no: it is marked as removed, and will be purged
)

// member reads the membership of a message.
func (s *Store) member(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (membership, error) {
	found, _, err := s.memberUIDL(ctx, level, mailbox, id)
	return found, err
}

// memberUIDL is member, and returns the foreign unique-id of the message too.
func (s *Store) memberUIDL(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (found membership, uidl string, err error) {
	err = cql.Each(ctx, s.db, level, selectMember, func(row cql.Row) error {
		var size *int64
		var removed bool
		if err := row.Scan(&size, &removed, &uidl, nil, nil); err != nil {
			return err
		}
		switch {
		case removed:
			found = memberRemoved
		case size != nil:
			found = memberLive
		}
		return nil
	}, [16]byte(mailbox), s.session.Bucket(id), [16]byte(id))
	return found, uidl, err
}

// memberRow is the row of a membership.
type memberRow struct {
	id      MessageID
	uidl    string // foreign
	size    int64  // octets; 0 if the row is not live
	live    bool   // the message was added; else the row has only a mark
	removed bool   // the message is marked as removed
}

// setSize sets size and live. The size is nil if the row has only a mark.
func (m *memberRow) setSize(size *int64) {
	if m.live = size != nil; m.live {
		m.size = *size
	}
}

// isMember reports whether the message is in the mailbox. m may be nil.
func (m *memberRow) isMember() bool { return m != nil && m.live && !m.removed }

// readMembers reads the memberships of a slice in every data centre. A slice
// with too many tombstones is read in halves, as an [Index] reads it.
func (s *Store) readMembers(ctx context.Context, mailbox MailboxID, slice Slice) (members []memberRow, err error) {
	first, last := slice.Borders()
	err = cql.Each(ctx, s.db, cql.EachQuorum, selectMembers, func(row cql.Row) error {
		var m memberRow
		var id [16]byte
		var size *int64
		if err := row.Scan(&id, &size, &m.uidl, &m.removed, nil, nil); err != nil {
			return err
		}
		m.id = id
		m.setSize(size)
		members = append(members, m)
		return nil
	}, [16]byte(mailbox), slice.Bucket, [16]byte(first), [16]byte(last))
	if lower, upper, ok := slice.Halves(); ok && errors.Is(err, cql.ErrTooManyTombstones) {
		if members, err = s.readMembers(ctx, mailbox, lower); err != nil {
			return nil, err
		}
		more, err := s.readMembers(ctx, mailbox, upper)
		return append(members, more...), err
	}
	return members, err
}

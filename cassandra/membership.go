package cassandra

import (
	"context"
	"errors"
	"iter"

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
	}, [16]byte(mailbox), id.Bucket(), [16]byte(id))
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

// members reads the memberships of some slices of one bucket, page by page. A
// slice with too many tombstones is read in parts, as an [Index] reads it.
func (s *Store) members(ctx context.Context, level cql.Level, mailbox MailboxID, list []Slice) iter.Seq2[memberRow, error] {
	return func(yield func(memberRow, error) bool) {
		last := MessageID{}
		for _, slice := range list {
			if !s.eachMember(ctx, level, mailbox, slice, &last, yield) {
				return
			}
		}
	}
}

// eachMember yields the memberships of one slice, except those up to the last
// one that was yielded. It returns false if nothing more is wanted.
func (s *Store) eachMember(ctx context.Context, level cql.Level, mailbox MailboxID, slice Slice, last *MessageID, yield func(memberRow, error) bool) bool {
	st, values := selectMembers, []any{[16]byte(mailbox), slice.Bucket}
	if slice.IDs == nil {
		first, end := slice.Borders()
		values = append(values, [16]byte(first), [16]byte(end))
	} else {
		st, values = selectMembersOf, append(values, keysOf(slice.IDs))
	}
	for m, err := range rows(ctx, s.db, level, st, scanMember, values...) {
		if errors.Is(err, cql.ErrTooManyTombstones) {
			slice.From = max(slice.From, last.Timestamp())
			if parts, ok := slice.Parts(); ok {
				for _, part := range parts {
					if !s.eachMember(ctx, level, mailbox, part, last, yield) {
						return false
					}
				}
				return true
			}
		}
		if err == nil && m.id.Compare(*last) <= 0 {
			continue
		}
		*last = m.id
		if !yield(m, err) || err != nil {
			return false
		}
	}
	return true
}

func scanMember(row cql.Row) (m memberRow, err error) {
	var id [16]byte
	var size *int64
	err = row.Scan(&id, &size, &m.uidl, &m.removed, nil, nil)
	m.id = id
	m.setSize(size)
	return m, err
}

// keysOf returns IDs as the values of a column.
func keysOf(ids []MessageID) [][16]byte {
	keys := make([][16]byte, len(ids))
	for i, id := range ids {
		keys[i] = id
	}
	return keys
}

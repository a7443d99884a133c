package cassandra

import (
	"context"

	"github.com/popcask/popcask/internal/cql"
)

// membership is what a mailbox says of a message.
type membership int

const (
	memberAbsent  membership = iota // nothing: never added, or removed and purged
	memberLive                      // it is in the mailbox
	memberRemoved                   // it is marked as removed, and will be purged
)

// member asks a mailbox about a message.
func (s *Session) member(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (membership, error) {
	found, _, err := s.memberUIDL(ctx, level, mailbox, id)
	return found, err
}

// memberUIDL is member, and the foreign unique-id that the message shows.
func (s *Session) memberUIDL(ctx context.Context, level cql.Level, mailbox MailboxID, id MessageID) (found membership, uidl string, err error) {
	err = s.db.Each(ctx, level, selectMember, func(row cql.Row) error {
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
	}, [16]byte(mailbox), s.Bucket(id), [16]byte(id))
	return found, uidl, err
}

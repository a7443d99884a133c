package cassandra

import "errors"

// The timestamp rule takes the place of lightweight transactions: every write
// about a message carries a timestamp that is computed from the message's ID,
// never from the clock. An ID is added once and removed once, and the removal
// wins. So retries, hints, replayed and reordered events, two sessions, two
// data centres and a repair commute: the result is the same in any order (P3).

// AddedAt returns the timestamp of every write that adds a message, those of an
// [Index] too, in microseconds since 1970: t(id).
func AddedAt(id MessageID) int64 { return id.Timestamp() }

// markedAt returns the timestamp of the mark that a message is removed: t(id) +
// 1, so that the mark wins over the writes that add the message.
func markedAt(id MessageID) int64 { return id.Timestamp() + 1 }

// RenamedAt returns the timestamp of every write with which a message gives up a
// foreign unique-id that another message shows too, those of an [Index] too, in
// microseconds since 1970: t(id) + 1, so that it wins over the writes that add
// the message, and loses against those that delete it.
func RenamedAt(id MessageID) int64 { return id.Timestamp() + 1 }

// DeletedAt returns the timestamp of every write that deletes a row of a
// message, those of an [Index] too, in microseconds since 1970: t(id) + 2. The
// delete wins over the writes that add the message and the one that marks it,
// even if those arrive later.
func DeletedAt(id MessageID) int64 { return id.Timestamp() + 2 }

// TooOld reports whether an ID is older than half of gc_grace_seconds, five
// days. Nothing may be added under such an ID: if its message was removed, the
// tombstones that keep it removed may be gone before the write arrives.
// [Index.Added] then returns [ErrTooOld].
func (s *Session) TooOld(id MessageID) bool {
	return s.config.Now().Sub(id.Time()) > gcGrace/2
}

// ErrTooOld says that a message was not added because its ID is too old: see
// [Session.TooOld].
var ErrTooOld = errors.New("the message ID is older than half of gc_grace_seconds")

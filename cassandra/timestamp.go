package cassandra

import "errors"

// The timestamp rule, which replaces lightweight transactions: whatever is
// written about a message carries a timestamp computed from the message's ID,
// never from the clock of the moment. An ID is added once and removed once, and
// remove wins. So retries, hints, replayed or reordered events, two sessions,
// two data centres and a repair all commute: the result is the same in any order
// (P3).

// AddedAt is the timestamp of the writes that add a message, an [Index]'s among
// them, in microseconds.
func AddedAt(id MessageID) int64 { return id.Timestamp() }

// markedAt is the timestamp of the mark that a message is removed: later than
// whatever added it.
func markedAt(id MessageID) int64 { return id.Timestamp() + 1 }

// DeletedAt is the timestamp of the final deletes, an [Index]'s among them: later
// than the mark, and than whatever added the message, even where that is written
// afterwards.
func DeletedAt(id MessageID) int64 { return id.Timestamp() + 2 }

// TooOld reports whether an ID is older than half of gc_grace_seconds: the
// tombstones that would shadow what is written about it may be gone, so nothing
// may be added under it any more.
func (s *Session) TooOld(id MessageID) bool {
	return s.config.Now().Sub(id.Time()) > gcGrace/2
}

// ErrTooOld says that an ID is too old to be added.
var ErrTooOld = errors.New("the message ID is older than half of gc_grace_seconds")

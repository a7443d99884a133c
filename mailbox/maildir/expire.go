package maildir

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Retention implements [mailbox.Expirer].
func (s *Store) Retention() time.Duration { return s.options.Expire }

// firstMaildir is 1995, when the first message was delivered into a Maildir, in
// microseconds since 1970.
const firstMaildir = 788_918_400_000_000

// isOld reports whether a message was delivered before a time, in microseconds
// since 1970. One whose name has no time stays: it has one if it begins with the
// seconds since 1970 and a dot, and not with another number, such as that of the
// message, or with a date.
func (e *entry) isOld(before int64) bool {
	if e.time < firstMaildir || e.time >= before {
		return false
	}
	_, rest := leadingNumber(e.id())
	return strings.HasPrefix(rest, ".")
}

// expire removes the messages that are too old, as Delete does, and returns the
// time of the oldest that is not. If it fails, the next session tries again.
func (s *session) expire(ctx context.Context) (before int64) {
	retention := s.store.Retention()
	if retention == 0 {
		return 0
	}
	before = s.store.mint.now().Add(-retention).UnixMicro()
	var old []string
	for i := range s.entries {
		if e := &s.entries[i]; !e.alias && !e.gone && e.isOld(before) {
			old = append(old, e.id())
		}
	}
	if len(old) == 0 {
		return before
	}
	if err := s.Delete(ctx, old); err != nil && s.store.options.OnError != nil {
		s.store.options.OnError(fmt.Errorf("remove the messages of %q that are too old: %w", s.user, err))
	}
	return before
}

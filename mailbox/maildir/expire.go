package maildir

import (
	"context"
	"fmt"
	"time"
)

// Retention implements [mailbox.Expirer].
func (s *Store) Retention() time.Duration { return max(0, s.options.Expire) }

// isOld reports whether a message was delivered before a time, in microseconds
// since 1970. One whose name has no time stays.
func (e *entry) isOld(before int64) bool { return e.time > 0 && e.time < before }

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

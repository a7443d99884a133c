package maildir

import (
	"context"
	"fmt"
	"time"
)

// Retention implements [mailbox.Expirer].
func (s *Store) Retention() time.Duration { return max(0, s.options.Expire) }

// isOld reports whether a message has stayed longer than Options.Expire. One
// whose name has no time stays.
func (s *Store) isOld(e *entry) bool {
	retention := s.Retention()
	return retention > 0 && e.time > 0 && e.time < s.mint.now().Add(-retention).UnixMicro()
}

// expire removes the messages that are too old, as Delete does. If that fails,
// the next session tries again.
func (s *session) expire(ctx context.Context) {
	var old []string
	for i := range s.entries {
		if e := &s.entries[i]; !e.alias && !e.gone && s.store.isOld(e) {
			old = append(old, e.id())
		}
	}
	if len(old) == 0 {
		return
	}
	if err := s.Delete(ctx, old); err != nil && s.store.options.OnError != nil {
		s.store.options.OnError(fmt.Errorf("remove the messages of %q that are too old: %w", s.user, err))
	}
}

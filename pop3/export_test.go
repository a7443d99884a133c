package pop3

import "time"

// Pace is what remembers the logins of users.
type Pace struct{ pace }

func (p *Pace) Note(user string, delay time.Duration) { p.note(user, delay) }
func (p *Pace) Len() int                              { return len(p.last) }

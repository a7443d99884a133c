package pop3

import "time"

// Pace is what remembers the logins of users.
type Pace struct{ pace }

func (p *Pace) Try(user string, delay time.Duration) bool { return p.try(user, delay) }
func (p *Pace) Len() int                                  { return len(p.last) }

package pop3

// Stats are counts of a server, since it began to serve.
type Stats struct {
	Open        int // connections that are open
	BeforeLogin int // of them: before the login

	TurnedAway       uint64 // connections that were turned away, or displaced before their login
	FailedHandshakes uint64 // TLS
	FailedLogins     uint64 // for wrong credentials
	BrakedLogins     uint64 // refused by the brake, without a check
}

// Stats returns the counts of the server. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	open, waiting := s.door.Count()
	return Stats{
		Open: open, BeforeLogin: waiting,
		TurnedAway:       s.turnedAway.Count(),
		FailedHandshakes: s.failedHandshakes.Count(),
		FailedLogins:     s.failedLogins.Count(),
		BrakedLogins:     s.unchecked.Count(),
	}
}

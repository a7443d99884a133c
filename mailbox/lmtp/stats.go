package lmtp

// Stats are counts of a server, since it began to serve.
type Stats struct {
	Open    int // connections that are open
	Waiting int // of them: without a message under way

	TurnedAway        uint64 // connections that were turned away, or displaced
	FailedHandshakes  uint64 // TLS
	RefusedRecipients uint64 // by RCPT
}

// Stats returns the counts of the server. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	open, waiting := s.door.Count()
	return Stats{
		Open: open, Waiting: waiting,
		TurnedAway:        s.turnedAway.Count(),
		FailedHandshakes:  s.failedHandshakes.Count(),
		RefusedRecipients: s.refusedRecipients.Count(),
	}
}

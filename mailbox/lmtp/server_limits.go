package lmtp

import (
	"cmp"
	"time"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// maxLine is the longest command in octets, its line end included. RFC 5321
// section 4.5.3.1.4 wants at least 512, and extensions lengthen it. A longer one
// ends the connection. Lines of a message may be of any length.
const maxLine = 8 << 10

// limits are the limits and time-outs of a Server with the defaults filled in.
// Negative still means none.
type limits struct {
	idle, handshake, write, store  time.Duration
	size                           int64
	recipients, hops, bad, refused int
	door                           netserver.Limits
}

func (s *Server) limits() limits {
	l := limits{
		idle:       cmp.Or(s.IdleTimeout, 5*time.Minute),
		handshake:  cmp.Or(s.HandshakeTimeout, 30*time.Second),
		write:      cmp.Or(s.WriteTimeout, 5*time.Minute),
		store:      cmp.Or(s.StoreTimeout, 2*time.Minute),
		size:       cmp.Or(s.MaxMessageSize, mailbox.DefaultMaxMessageSize),
		recipients: cmp.Or(s.MaxRecipients, 1000),
		hops:       cmp.Or(s.MaxHops, 100),
		bad:        cmp.Or(s.MaxBadCommands, 20),
		refused:    cmp.Or(s.MaxRefused, 1000),
	}
	l.door.Connections = cmp.Or(s.MaxConnections, netserver.DefaultConnections())
	l.door.Waiting = cmp.Or(s.MaxWaiting, netserver.DefaultWaiting(l.door.Connections))
	l.door.PerAddress = cmp.Or(s.MaxPerAddress, netserver.DefaultPerAddress(l.door.Waiting))
	return l
}

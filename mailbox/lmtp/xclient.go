package lmtp

import (
	"context"
	"net/netip"
	"strings"

	"github.com/popcask/popcask/internal/netserver"
)

// xclient answers XCLIENT, by which a proxy says which address its client has. It
// is no standard, but Postfix's, and begins the session anew: the greeting comes
// once more. Attributes besides ADDR and PORT change nothing.
func (c *Conn) xclient(_ context.Context, arguments string) error {
	if !c.mayForward() {
		return refusal(550, "5.7.0", "XCLIENT is for trusted proxies")
	}
	var addr, port string
	names := false // an address, or that there is none
	for pair := range strings.FieldsSeq(arguments) {
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return mistake{refusal(501, "5.5.4", "Attributes have the form NAME=VALUE")}
		}
		switch strings.ToUpper(name) {
		case "ADDR":
			addr, names = value, true
		case "PORT":
			port = value
		}
	}
	remote, err := netserver.ClientAddr(addr, port)
	if err != nil {
		return mistake{refusal(501, "5.5.4", err.Error())}
	}
	c.hello, c.mail = "", envelope{}
	c.mu.Lock()
	c.name = ""
	if names {
		c.remote = remote
	}
	c.mu.Unlock()
	displaced, isDisplaced, err := c.server.door.Moves(c, c.origin())
	if isDisplaced {
		displaced.abort(errDisplaced)
	}
	if err != nil {
		answer := *reply(fromDoor(err))
		answer.Close = true
		return &answer
	}
	c.greeting()
	return nil
}

// origin is where a connection counts as coming from. One of a proxy that has not
// said yet whose it is comes from nowhere: a proxy has as many at once as clients.
func (c *Conn) origin() netip.Prefix {
	if c.remote == nil && c.mayForward() {
		return netip.Prefix{}
	}
	return netserver.Origin(c.RemoteAddr())
}

// mayForward reports whether the connection is one of a proxy that is trusted.
func (c *Conn) mayForward() bool { return netserver.Prefixes(c.server.XCLIENT).Has(c.nc.RemoteAddr()) }

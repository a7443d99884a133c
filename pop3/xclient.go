package pop3

import (
	"context"
	"encoding/base64"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"github.com/popcask/popcask/internal/netserver"
)

// Forwarded is what a proxy has said of its client by XCLIENT, besides the
// address.
type Forwarded struct {
	Session string // the proxy's name for the session
	Forward string // variables of the proxy, as it wrote them
}

// Forwarded returns what a proxy has said of its client, nil if nothing.
func (c *Conn) Forwarded() *Forwarded {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.proxied == nil {
		return nil
	}
	said := c.proxied.said
	return &said
}

// proxied is what XCLIENT has said.
type proxied struct {
	remote net.Addr // nil: that of the connection
	said   Forwarded
}

// xclient answers XCLIENT, by which a proxy says who its client is. It is no
// standard: Dovecot's proxies and Perdition send it.
func (c *Conn) xclient(_ context.Context, a arguments) error {
	if !c.mayForward() {
		return impossible("XCLIENT is for trusted proxies")
	}
	remote, names, said, err := parseXCLIENT(a.text)
	if err != nil {
		return err
	}
	c.named = ""
	c.mu.Lock()
	if !names && c.proxied != nil {
		remote = c.proxied.remote
	}
	c.proxied = &proxied{remote, said}
	c.mu.Unlock()
	if err := c.moves(); err != nil {
		return err
	}
	c.out.strings("+OK go on\r\n")
	return nil
}

// mayForward reports whether the connection is one of a proxy that is trusted.
func (c *Conn) mayForward() bool { return netserver.Prefixes(c.server.XCLIENT).Has(c.nc.RemoteAddr()) }

// origin is where a connection counts as coming from. One of a proxy that has not
// said yet whose it is comes from nowhere: a proxy has as many at once as clients.
func (c *Conn) origin() netip.Prefix {
	if c.mayForward() && (c.proxied == nil || c.proxied.remote == nil) {
		return netip.Prefix{}
	}
	return netserver.Origin(c.RemoteAddr())
}

// moves counts the connection for the address that it has now.
func (c *Conn) moves() error {
	displaced, isDisplaced, err := c.server.door.Moves(c, c.origin())
	if isDisplaced {
		displaced.abort(errDisplaced)
	}
	if err != nil {
		answer := *reply(fromDoor(err), atGreeting)
		answer.Close = true
		return &answer
	}
	return nil
}

// parseXCLIENT reads the pairs of XCLIENT. Those that it does not know mean
// nothing. names reports whether one is about the address.
func parseXCLIENT(text string) (remote net.Addr, names bool, said Forwarded, err error) {
	var addr, port string
	for pair := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToUpper(name) {
		case "ADDR":
			addr, names = value, true
		case "PORT":
			port = value
		case "TTL":
			hops, err := strconv.ParseUint(value, 10, 32)
			switch {
			case err != nil:
				return nil, false, said, mistake("TTL is no number")
			case hops == 0:
				return nil, false, said, &Error{Text: "the proxies go round in a circle", Close: true}
			}
		case "SESSION":
			if len(value) > maxSession || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
				return nil, false, said, mistake("SESSION is not one")
			}
			said.Session = value
		case "FORWARD":
			octets, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return nil, false, said, mistake("FORWARD is not base64")
			}
			said.Forward = string(octets)
		}
	}
	if remote, err = netserver.ClientAddr(addr, port); err != nil {
		return nil, false, said, mistake(err.Error())
	}
	return remote, names, said, nil
}

// maxSession is the longest name of a session in octets.
const maxSession = 128

package lmtp

import (
	"fmt"
	"net"
	"strings"
	"time"
)

// trace is the beginning of one recipient's copy: the header fields of a final
// delivery (RFC 5321 section 4.4).
func (c *Conn) trace(m *message, to recipient) string {
	if c.server.NoTrace {
		return ""
	}
	var h strings.Builder
	fmt.Fprintf(&h, "Return-Path: <%s>\r\n", c.mail.from.path())
	fmt.Fprintf(&h, "Delivered-To: %s\r\n", to.address.path())
	fmt.Fprintf(&h, "Received: from %s (%s)\r\n", extendedDomain(c.Hello()), addressLiteral(c.RemoteAddr()))
	fmt.Fprintf(&h, "\tby %s with %s id %s", c.server.hostname, c.withValue(), m.id)
	if len(c.mail.to) == 1 { // else one recipient would learn of the others
		fmt.Fprintf(&h, "\r\n\tfor <%s>", to.address.path())
	}
	fmt.Fprintf(&h, ";\r\n\t%s\r\n", m.received.Format(time.RFC1123Z))
	return h.String()
}

// withValue is the protocol as Received names it (RFC 3848, RFC 6531 section
// 4.3).
func (c *Conn) withValue() string {
	protocol := c.server.Protocol.String()
	switch {
	case c.mail.utf8:
		protocol = "UTF8" + protocol
	case c.hello == "EHLO" || protocol == "SMTP" && c.isTLS():
		protocol = "E" + protocol
	}
	if c.isTLS() {
		protocol += "S"
	}
	return protocol
}

// extendedDomain is what the client calls itself, if a header field can have it.
func extendedDomain(hello string) string {
	literal := strings.HasPrefix(hello, "[") && strings.HasSuffix(hello, "]")
	if literal && isDomain(strings.ReplaceAll(hello[1:len(hello)-1], ":", "")) || isDomain(hello) {
		return hello
	}
	return "unknown"
}

// addressLiteral writes the client's address as RFC 5321 section 4.1.3 does.
func addressLiteral(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	switch {
	case !ok:
		return "unknown"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	}
	return "[IPv6:" + tcp.IP.String() + "]"
}

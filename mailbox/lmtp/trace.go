package lmtp

import (
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
	mailbox, only := to.address.path(), ""
	if len(c.mail.to) == 1 { // else one recipient would learn of the others
		only = "\r\n\tfor <" + mailbox + ">"
	}
	return "Return-Path: <" + c.mail.from.path() + ">\r\n" +
		"Delivered-To: " + mailbox + "\r\n" +
		"Received: from " + extendedDomain(c.Hello()) + " (" + addressLiteral(c.RemoteAddr()) + ")\r\n" +
		"\tby " + c.server.hostname + " with " + c.withValue() + " id " + m.id + only + ";\r\n" +
		"\t" + m.received.Format(time.RFC1123Z) + "\r\n"
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

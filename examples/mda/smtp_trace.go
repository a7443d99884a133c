package main

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// trace writes the header fields that a final delivery prepends (RFC 5321
// section 4.4). A nil trace writes none.
type trace struct {
	host string // this machine
}

func newTrace(wanted bool) *trace {
	if !wanted {
		return nil
	}
	return &trace{host: hostname()}
}

// hop is how a message got here.
type hop struct {
	hello    string // what the sender calls itself
	remote   net.Addr
	protocol string // registered "with" value (RFC 3848, RFC 6531 section 4.3)
	id       string
	time     time.Time
}

// newID makes the name of a message in its Received field and in the log.
func newID() string { return rand.Text()[:16] }

// hop describes the message that is being received.
func (s *session) hop(mail envelope, id string, now time.Time) hop {
	_, encrypted := s.conn.(*tls.Conn)
	return hop{
		hello:    mail.hello,
		remote:   s.conn.RemoteAddr(),
		protocol: withValue(s.protocol, mail.utf8, encrypted),
		id:       id,
		time:     now,
	}
}

// withValue is the protocol as Received names it. go-smtp does not say whether
// the sender used HELO or EHLO, so all SMTP is ESMTP.
func withValue(protocol string, utf8, encrypted bool) string {
	switch {
	case utf8:
		protocol = "UTF8" + protocol
	case protocol == "SMTP":
		protocol = "ESMTP"
	}
	if encrypted {
		protocol += "S"
	}
	return protocol
}

// header is the beginning of one recipient's copy.
func (t *trace) header(by hop, mail envelope, to recipient) string {
	if t == nil {
		return ""
	}
	var h strings.Builder
	fmt.Fprintf(&h, "Return-Path: <%s>\r\n", path(mail.from))
	fmt.Fprintf(&h, "Delivered-To: %s\r\n", path(to.address))
	fmt.Fprintf(&h, "Received: from %s (%s)\r\n", extendedDomain(by.hello), addressLiteral(by.remote))
	fmt.Fprintf(&h, "\tby %s with %s id %s", t.host, by.protocol, by.id)
	if len(mail.to) == 1 { // else one recipient would learn of the others
		fmt.Fprintf(&h, "\r\n\tfor <%s>", path(to.address))
	}
	fmt.Fprintf(&h, ";\r\n\t%s\r\n", by.time.Format(time.RFC1123Z))
	return h.String()
}

// extendedDomain is what the sender calls itself, if a header field can have
// it.
func extendedDomain(hello string) string {
	literal := strings.HasPrefix(hello, "[") && strings.HasSuffix(hello, "]")
	if literal && isDomain(strings.ReplaceAll(hello[1:len(hello)-1], ":", "")) || isDomain(hello) {
		return hello
	}
	return "unknown"
}

// isDomain reports whether name has the characters of a host name only, or
// underscores.
func isDomain(name string) bool {
	return name != "" && len(name) <= 255 && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return !isAlphanumeric(r) && !strings.ContainsRune(".-_", r)
	})
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' ||
		r >= utf8.RuneSelf && unicode.IsPrint(r)
}

// addressLiteral writes the sender's address as RFC 5321 section 4.1.3 does.
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

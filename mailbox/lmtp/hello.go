package lmtp

import (
	"context"
	"strconv"
	"strings"
)

// helloVerb is the command that comes first.
func (s *Server) helloVerb() string {
	if s.Protocol == LMTP {
		return "LHLO"
	}
	return "EHLO"
}

// lhlo answers LHLO (RFC 2033 section 4.1).
func (c *Conn) lhlo(_ context.Context, name string) error {
	if c.server.Protocol != LMTP {
		return mistake{refusal(500, "5.5.1", "This is an SMTP server, use EHLO")}
	}
	return c.extendedHello("LHLO", name)
}

// ehlo answers EHLO (RFC 5321 section 4.1.1.1).
func (c *Conn) ehlo(_ context.Context, name string) error {
	if c.server.Protocol == LMTP {
		return mistake{errUseLHLO}
	}
	return c.extendedHello("EHLO", name)
}

// helo answers HELO, of clients that are older than 1995.
func (c *Conn) helo(_ context.Context, name string) error {
	if c.server.Protocol == LMTP {
		return mistake{errUseLHLO}
	}
	if err := c.greet("HELO", name); err != nil {
		return err
	}
	c.say(250, "", c.server.hostname)
	return nil
}

var errUseLHLO = refusal(500, "5.5.1", "This is an LMTP server, use LHLO")

func (c *Conn) extendedHello(verb, name string) error {
	if err := c.greet(verb, name); err != nil {
		return err
	}
	c.say(250, "", append([]string{c.server.hostname}, c.extensions()...)...)
	return nil
}

// greet notes what the client calls itself, and forgets a message that it had
// begun.
func (c *Conn) greet(verb, name string) error {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxDomain || strings.Contains(name, "\r") { // see Conn.Hello
		return mistake{refusal(501, "5.5.4", "Say your name after "+verb)}
	}
	c.mail = envelope{}
	c.hello = verb
	c.mu.Lock()
	defer c.mu.Unlock()
	c.name = strings.Clone(name)
	return nil
}

// extensions are the lines of the answer to EHLO.
func (c *Conn) extensions() []string {
	extensions := []string{"PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"} // RFC 2920, 6152, 6531, 2034, 3030
	if c.server.tlsConfig != nil && !c.isTLS() {
		extensions = append(extensions, "STARTTLS") // RFC 3207
	}
	size := "SIZE" // RFC 1870
	if c.server.limit.size >= 0 {
		size += " " + strconv.FormatInt(c.server.limit.size, 10)
	}
	extensions = append(extensions, size)
	if c.server.limit.recipients >= 0 {
		extensions = append(extensions, "LIMITS RCPTMAX="+strconv.Itoa(c.server.limit.recipients)) // RFC 9422
	}
	if c.mayForward() {
		extensions = append(extensions, "XCLIENT ADDR PORT NAME HELO PROTO LOGIN DESTADDR DESTPORT")
	}
	for _, own := range c.server.Commands {
		if own.Keyword != "" {
			extensions = append(extensions, own.Keyword)
		}
	}
	return extensions
}

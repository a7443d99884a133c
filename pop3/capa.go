package pop3

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// capa answers CAPA (RFC 2449 section 5).
func (c *Conn) capa(context.Context, arguments) error {
	c.out.strings("+OK capabilities follow\r\n")
	for _, capability := range c.capabilities() {
		c.listLine(capability)
	}
	c.out.strings(".\r\n")
	return nil
}

// listLine writes one line of a multi-line response in a host's own words. It
// is byte-stuffed (RFC 1939 section 3), so that it cannot end the response.
func (c *Conn) listLine(text string) {
	text = fitted(printable(text))
	if strings.HasPrefix(text, ".") {
		c.out.strings(".")
	}
	c.out.strings(text, "\r\n")
}

// capabilities lists what the server can do in this state. TOP and UIDL are
// listed before the login too, since some clients ask only then.
func (c *Conn) capabilities() []string {
	list := append(make([]string, 0, 12), "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "LANG")
	if !c.server.HideUTF8 {
		list = append(list, "UTF8 USER")
	}
	if c.takesPasswords() && c.maySendSecrets() {
		list = append(list, "USER")
	}
	if mechanisms := c.mechanisms(); len(mechanisms) > 0 {
		list = append(list, "SASL "+strings.Join(mechanisms, " "))
	}
	if c.state == Authorization && c.server.tlsConfig != nil && !c.isTLS() {
		list = append(list, "STLS")
	}
	if expire := c.expire(); expire != "" {
		list = append(list, expire)
	}
	if delay := c.server.LoginDelay; delay > 0 {
		list = append(list, "LOGIN-DELAY "+strconv.Itoa(int((delay+time.Second-1)/time.Second)))
	}
	if c.state == Authorization && c.mayForward() {
		list = append(list, "XCLIENT")
	}
	if c.state == Transaction && c.server.Implementation != "" {
		list = append(list, "IMPLEMENTATION "+strings.ReplaceAll(c.server.Implementation, " ", "-"))
	}
	for _, own := range c.server.Commands {
		if own.Capability != "" && own.States&(c.state|Authorization) != 0 {
			list = append(list, own.Capability)
		}
	}
	if c.server.Capabilities != nil {
		list = c.server.Capabilities(c, list)
	}
	return list
}

// takesPasswords reports whether the host has logins by USER and PASS.
func (c *Conn) takesPasswords() bool {
	session, ok := c.session.(PasswordSession)
	return !ok || session.PasswordsEnabled()
}

// maySendSecrets reports whether a password may cross this connection.
func (c *Conn) maySendSecrets() bool {
	return c.isTLS() || c.server.AllowInsecureAuth
}

// mechanisms returns the SASL mechanisms that may be used now.
func (c *Conn) mechanisms() []string {
	session, ok := c.session.(SASLSession)
	if !ok {
		return nil
	}
	mechanisms := session.Mechanisms()
	if c.maySendSecrets() {
		return mechanisms
	}
	return slices.DeleteFunc(slices.Clone(mechanisms), disclosesSecret)
}

// disclosesSecret reports whether an eavesdropper on a mechanism learns enough
// to log in later. A mechanism that is not known to be safe counts as unsafe.
func disclosesSecret(mechanism string) bool {
	switch mechanism {
	case "ANONYMOUS", "CRAM-MD5", "EXTERNAL", "GSSAPI":
		return false
	}
	return !strings.HasPrefix(mechanism, "SCRAM-")
}

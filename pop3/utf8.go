package pop3

import (
	"context"
	"unicode/utf8"
)

// utf8 answers UTF8 (RFC 6856 section 2). It changes nothing: names and passwords
// may always be in UTF-8, and messages are always sent as they are. Downgrading
// one (RFC 6858) would break its signatures, and refusing it would hide mail. It
// is taken after the login too, since some clients send it only then and give up
// if it fails.
func (c *Conn) utf8(context.Context, arguments) error {
	c.out.strings("+OK UTF-8 it is\r\n")
	return nil
}

// isText reports whether a name or a password of USER and PASS is one: if clients
// may send UTF-8, it must be UTF-8 (RFC 6856 section 2.2). If that is hidden, the
// octets are the host's to judge.
func (c *Conn) isText(text string) bool { return c.server.HideUTF8 || utf8.ValidString(text) }

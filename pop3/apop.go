package pop3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// newTimestamp returns the unique part of a greeting (RFC 1939 section 7). It
// has the form of a msg-id and is never the same twice.
func newTimestamp() string {
	return "<" + rand.Text() + "@pop3>"
}

// apop answers APOP (RFC 1939 section 7). The timestamp of the greeting is good
// after STLS too, as clients expect: one that an attacker in the middle has
// chosen proves nothing, since the server computes with its own.
func (c *Conn) apop(ctx context.Context, a arguments) error {
	session, ok := c.session.(APOPSession)
	if !ok || c.timestamp == "" {
		return impossible("APOP is not offered here")
	}
	user, digest, two := cutLast(a.text)
	sum, err := hex.DecodeString(digest)
	user, isName := c.apopName(user)
	if !two || err != nil || len(sum) != 16 || !isName {
		return mistake("user name and digest expected")
	}
	login := c.login("APOP")
	login.User = user
	c.named = ""
	timestamp := c.timestamp
	return c.logIn(ctx, login, c.braked, func(ctx context.Context) (mailbox.Mailbox, error) {
		return session.APOP(ctx, login, timestamp, strings.ToLower(digest))
	})
}

// apopName is the name of a user as APOP has it, and whether it is one. If it may
// be in UTF-8, it is prepared by SASLprep (RFC 6856 section 2.2).
func (c *Conn) apopName(name string) (string, bool) {
	if c.server.HideUTF8 {
		return name, !hasControl(name)
	}
	return preparedName(name)
}

// cutLast cuts text at its last blank.
func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, ' ')
	if i < 0 {
		return text, "", false
	}
	return strings.TrimRight(text[:i], " "), text[i+1:], true
}

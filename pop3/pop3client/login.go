package pop3client

import (
	"cmp"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"regexp"
)

// Login logs in by USER and PASS. Without TLS the error is [ErrInsecure],
// unless Options.AllowInsecureAuth is set. A wrong name or password is an
// [*Error]; the server may have said so to either command, and with or without
// the code [pop3.CodeAuth].
func (c *Client) Login(ctx context.Context, user, password string) error {
	if err := cmp.Or(checkText("user name", user), checkText("password", password)); err != nil {
		return wrap("USER", err)
	}
	if !c.IsTLS() && !c.options.AllowInsecureAuth {
		return wrap("USER", ErrInsecure)
	}
	if _, err := c.ask(ctx, "USER "+user); err != nil {
		return wrap("USER", err)
	}
	_, err := c.ask(ctx, "PASS "+password)
	return wrap("PASS", c.loggedIn(err))
}

// loggedIn forgets the capabilities after a login: others may hold from then on
// (RFC 2449 section 5).
func (c *Client) loggedIn(err error) error {
	if err == nil {
		c.capabilities = nil
	}
	return err
}

// CanAPOP reports whether the server offers APOP: by a timestamp in its
// greeting, which is void after [Client.StartTLS].
func (c *Client) CanAPOP() bool { return c.timestamp != "" }

// APOP logs in by a digest of the secret (RFC 1939 section 7). It needs no TLS.
// Who listens can try passwords at leisure, so that it is for secrets that
// nobody can guess.
func (c *Client) APOP(ctx context.Context, user, secret string) error {
	if err := checkText("user name", user); err != nil {
		return wrap("APOP", err)
	}
	if !c.CanAPOP() {
		return wrap("APOP", errors.New("the server does not offer it: there is no timestamp in its greeting"))
	}
	digest := md5.Sum([]byte(c.timestamp + secret))
	_, err := c.ask(ctx, "APOP "+user+" "+hex.EncodeToString(digest[:]))
	return wrap("APOP", c.loggedIn(err))
}

var msgID = regexp.MustCompile(`<[!-;=?A-~]+@[!-;=?A-~]+>`)

// timestamp returns the timestamp of a greeting, with its brackets, or "". It
// must be an msg-id of ASCII (RFC 1939 section 7), since an attacker in the
// middle who may choose any octets can find out a secret by collisions of MD5
// (CVE-2007-1558); and there must be one.
func timestamp(greeting string) string {
	found := msgID.FindAllString(greeting, 2)
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

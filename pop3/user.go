package pop3

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/popcask/popcask/mailbox"
)

// userCommand answers USER (RFC 1939 section 7). It says nothing of whether
// there is such a user.
func (c *Conn) userCommand(_ context.Context, a arguments) error {
	if !c.takesPasswords() {
		return impossible("no logins by USER and PASS here")
	}
	if !c.maySendSecrets() {
		return errNeedsTLS
	}
	if hasControl(a.text) {
		return mistake("control character in a user name")
	}
	if !c.isText(a.text) {
		return mistake("a user name is UTF-8")
	}
	c.named = a.text
	c.out.strings("+OK send PASS\r\n")
	return nil
}

// hasControl reports whether a name has control characters, which no user's
// name has.
func hasControl(user string) bool { return strings.ContainsFunc(user, unicode.IsControl) }

// pass answers PASS (RFC 1939 section 7). The password is the rest of the line,
// with all its blanks. If it is wrong, USER must come first again.
func (c *Conn) pass(ctx context.Context, a arguments) error {
	if !c.maySendSecrets() {
		return errNeedsTLS
	}
	if c.named == "" {
		return mistake("USER first")
	}
	login := c.login("USER")
	login.User, login.Password = c.named, a.text
	c.named = ""
	if !c.isText(a.text) {
		return c.loginFailed(ctx, login, fmt.Errorf("the password is not UTF-8: %w", mailbox.ErrAuthFailed))
	}
	return c.logIn(ctx, login, c.braked, func(ctx context.Context) (mailbox.Mailbox, error) {
		return c.session.Login(ctx, login)
	})
}

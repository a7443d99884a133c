package pop3

import (
	"context"
	"errors"
	"fmt"

	"github.com/popcask/popcask/mailbox"
)

// errNeedsTLS answers a client that is about to send a password in the clear.
var errNeedsTLS = &Error{Text: "no passwords without TLS: use STLS or the POP3S port first"}

// login is what is known of a client before it has proved anything.
func (c *Conn) login(mechanism string) mailbox.Login {
	return mailbox.Login{
		Mechanism: mechanism,
		Remote:    c.nc.RemoteAddr(),
		Local:     c.nc.LocalAddr(),
		TLS:       c.TLS(),
	}
}

// logIn opens the mailbox by open, lists it, and enters the TRANSACTION state.
// If the listing fails, so does the login: a broken maildrop must not look like
// an empty one.
func (c *Conn) logIn(ctx context.Context, login mailbox.Login, open func(context.Context) (mailbox.Mailbox, error)) error {
	if err := c.out.flush(); err != nil {
		return &ended{"client gone", err}
	}
	deadline := c.startDeadline(ctx)
	defer deadline.stop()
	mb, err := open(deadline.ctx)
	if err == nil && mb == nil {
		err = errors.New("the session returned neither a mailbox nor an error")
	}
	if err != nil {
		return c.loginFailed(login, err)
	}
	c.mailbox = mb // from here on finish closes it
	opened, err := newMaildrop(deadline, mb, c.server.limit.messages)
	if err != nil {
		if closeErr := c.closeMailbox(); closeErr != nil {
			c.fault(fmt.Errorf("pop3: close mailbox: %w", closeErr))
		}
		return c.loginFailed(login, fmt.Errorf("list maildrop: %w", deadline.explain(err)))
	}
	c.maildrop, c.state = opened, transaction
	c.user, c.timestamp, c.bad = "", "", 0
	c.info.User, c.info.Mechanism, c.info.Messages = login.User, login.Mechanism, opened.len()
	if opened.cut {
		c.fault(fmt.Errorf("pop3: the maildrop has more than %d messages, only the oldest are shown", opened.len()))
	}
	c.tellAuth(login, nil)
	c.out.strings("+OK maildrop has ")
	c.out.numbers(int64(opened.len()))
	c.out.strings(" messages\r\n")
	return nil
}

// loginFailed counts and reports a failed login, and returns the error to
// answer with.
func (c *Conn) loginFailed(login mailbox.Login, err error) error {
	c.user = ""
	c.tellAuth(login, err)
	c.server.log.Info("pop3: login failed", "login", login, "error", err)
	reply := toReply(err)
	if reply.Code != CodeAuth {
		return err
	}
	c.failed++
	if reached(c.failed, c.server.limit.authTries) {
		return &Error{Code: CodeAuth, Text: "too many failed logins", Close: true, Err: err}
	}
	return err
}

func (c *Conn) tellAuth(login mailbox.Login, err error) {
	if c.server.hooks.Auth != nil {
		login.Password, login.Token = "", ""
		c.server.hooks.Auth(c, login, err)
	}
}

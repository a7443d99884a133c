package pop3

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// errNeedsTLS answers a client that is about to send a password in the clear.
var errNeedsTLS = impossible("no passwords without TLS: use STLS or the POP3S port first")

// login is what is known of a client before it has proved anything.
func (c *Conn) login(mechanism string) mailbox.Login {
	return mailbox.Login{
		Mechanism: mechanism,
		Remote:    c.RemoteAddr(),
		Local:     c.nc.LocalAddr(),
		TLS:       c.TLS(),
	}
}

// logIn opens the mailbox by open, lists it, and enters the TRANSACTION state.
// If the listing fails, so does the login: a broken maildrop must not look like
// an empty one. run is braked or unbraked.
func (c *Conn) logIn(ctx context.Context, login mailbox.Login, run runner, open func(context.Context) (mailbox.Mailbox, error)) error {
	c.SetUser("")
	var opened *maildrop
	claim := c.claim(login)
	err := run(ctx, login, func(ctx context.Context) (err error) {
		c.mailbox, err = open(ctx) // from here on finish closes it
		c.checked()
		if err == nil && c.mailbox == nil && !c.isHijacked() {
			err = errors.New("the session returned neither a mailbox nor an error")
		}
		if err != nil || c.isHijacked() {
			return err
		}
		if claim != nil {
			if err = claim(ctx); err != nil {
				return err
			}
		}
		opened, err = c.listMaildrop(ctx)
		return err
	})
	if c.isHijacked() {
		return nil // whatever it says: see execute
	}
	undo := c.unpace
	c.unpace = nil
	if err != nil {
		if undo != nil {
			undo()
		}
		c.closeMailbox(ctx)
		c.SetUser("")
		return c.loginFailed(ctx, login, err)
	}
	c.enterTransaction(ctx, login, opened)
	return nil
}

// claim returns what a user that has proved itself must still pass, nil if that
// is nothing: the lock of its maildrop, and the delay between logins.
func (c *Conn) claim(login mailbox.Login) func(context.Context) error {
	if c.server.Lock == nil && c.server.LoginDelay <= 0 {
		return nil
	}
	claims := withoutSecrets(login) // a copy, so that most logins stay off the heap
	return func(ctx context.Context) error {
		if user := c.User(); user != "" {
			claims.User = user
		}
		if err := c.lock(ctx, claims); err != nil {
			return err
		}
		return c.paced(claims.User)
	}
}

func (c *Conn) listMaildrop(ctx context.Context) (*maildrop, error) {
	opened, err := newMaildrop(ctx, c.mailbox, c.server.limit.messages)
	if err != nil {
		return nil, fmt.Errorf("list maildrop: %w", err)
	}
	return opened, nil
}

// enterTransaction answers +OK to a login.
func (c *Conn) enterTransaction(ctx context.Context, login mailbox.Login, opened *maildrop) {
	c.tellBrake(login, nil)
	if c.User() == "" {
		c.SetUser(login.User)
	}
	login.User = c.User()
	c.maildrop, c.state = opened, Transaction
	c.named, c.timestamp, c.bad = "", "", 0
	c.out.until = time.Time{}
	c.nc.SetWriteDeadline(time.Time{})
	c.server.door.Stays(c)
	c.info.User, c.info.Mechanism, c.info.Messages = login.User, login.Mechanism, opened.len()
	if opened.cut {
		c.fault(ctx, fmt.Errorf("pop3: the maildrop has more than %d messages, only the oldest are shown", opened.len()))
	}
	c.tellAuth(ctx, login, nil)
	c.logLogin(ctx, login)
	if delay := c.server.LoginDelay; delay > 0 {
		c.server.pace.note(login.User, delay)
	}
	c.out.strings("+OK maildrop has ")
	c.out.numbers(int64(opened.len()))
	c.out.strings(" messages\r\n")
}

// loginFailed counts and reports a failed login, and returns the error to
// answer with.
func (c *Conn) loginFailed(ctx context.Context, login mailbox.Login, err error) error {
	unchecked := errors.Is(err, errBraked)
	var end *ended
	switch {
	case errors.As(err, &end): // before it asked the brake
		return end
	case unchecked && c.interrupted() != nil:
		return c.endOfInput(ctx, errShuttingDown)
	case unchecked && ctx.Err() != nil: // while it waited for the brake
		return c.gone(err)
	}
	c.tellAuth(ctx, login, err)
	answer := reply(err, atLogin)
	wrong := isWrongLogin(err)
	if unchecked {
		c.server.unchecked.Log(ctx, c.server.log, "pop3: login refused by the brake", login.Remote, err)
	} else {
		c.server.log.InfoContext(ctx, "pop3: login failed", "conn", c.ID(), "login", login, "wrong", wrong, "error", err)
	}
	if wrong {
		c.server.failedLogins.Add()
		c.tellBrake(login, err)
	}
	if wrong || unchecked {
		c.failed++
	}
	if netserver.Reached(c.failed, c.server.limit.authTries) {
		return &Error{Code: answer.Code, Text: "too many failed logins", Close: true, Err: err}
	}
	return answer
}

// runner runs a piece of a host's work within a login. The work calls
// Conn.checked once the credentials are checked, if there is more to do.
type runner func(ctx context.Context, login mailbox.Login, f func(context.Context) error) error

// unbraked runs a piece of a host's work once the brake was asked.
func (c *Conn) unbraked(ctx context.Context, _ mailbox.Login, f func(context.Context) error) error {
	return c.ask(ctx, f)
}

// braked runs a piece of a host's work that checks credentials, once the brake
// lets it. Answers that are due are sent before, since that may take a while.
func (c *Conn) braked(ctx context.Context, login mailbox.Login, f func(context.Context) error) error {
	return c.after(ctx, c.awaitBrake, login, f)
}

// inTurn runs a piece of a host's work that costs as much as a check, and is
// none. It takes a turn of a [LocalBrake], so that those who ask for nothing but
// challenges do not keep the processors to themselves.
func (c *Conn) inTurn(ctx context.Context, login mailbox.Login, f func(context.Context) error) error {
	return c.after(ctx, c.awaitTurn, login, f)
}

// after runs a piece of a host's work after a wait for the brake.
func (c *Conn) after(ctx context.Context, wait func(context.Context, mailbox.Login) (func(), error), login mailbox.Login, f func(context.Context) error) error {
	if err := c.flush(ctx); err != nil {
		return c.gone(err)
	}
	release, err := wait(ctx, login)
	if err != nil {
		return &Error{Code: CodeTemporary, Text: "too many logins, try again later", Err: fmt.Errorf("%w: %w", errBraked, err)}
	}
	c.release = release
	defer c.checked()
	return c.ask(ctx, f)
}

// checked gives the turn of the brake back, if there is one.
func (c *Conn) checked() {
	if release := c.release; release != nil {
		c.release = nil
		release()
	}
}

var errBraked = errors.New("pop3: the brake refused the login")

// awaitBrake waits until the brake lets a login be checked, the time for a login
// is over, the server shuts down, or the connection ends.
func (c *Conn) awaitBrake(ctx context.Context, login mailbox.Login) (release func(), err error) {
	if !c.setHeld(true) {
		return nil, errShuttingDown
	}
	defer c.setHeld(false)
	login = withoutSecrets(login)
	until := c.loginDeadline()
	if local, ok := c.server.brake.(*LocalBrake); ok {
		return local.begin(ctx, login, until)
	}
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	return c.server.brake.Begin(ctx, login)
}

// awaitTurn waits for a turn of a LocalBrake alone, as awaitBrake does.
func (c *Conn) awaitTurn(ctx context.Context, login mailbox.Login) (release func(), err error) {
	local, ok := c.server.brake.(*LocalBrake)
	if !ok {
		return func() {}, nil
	}
	if !c.setHeld(true) {
		return nil, errShuttingDown
	}
	defer c.setHeld(false)
	return local.turn(ctx, login, c.loginDeadline())
}

// tellBrake tells the brake how a login went, without its secrets.
func (c *Conn) tellBrake(login mailbox.Login, err error) {
	c.server.brake.Result(withoutSecrets(login), err)
}

// withoutSecrets is what hooks and the brake get of a login.
func withoutSecrets(login mailbox.Login) mailbox.Login {
	login.Password, login.Token = "", ""
	return login
}

// setHeld notes whether the brake holds the session, and reports whether it may.
func (c *Conn) setHeld(held bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = held
	return !c.shutdown
}

func (c *Conn) tellAuth(ctx context.Context, login mailbox.Login, err error) {
	if c.server.hooks.Auth != nil {
		c.server.hooks.Auth(ctx, c, withoutSecrets(login), err)
	}
}

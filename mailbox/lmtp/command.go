package lmtp

import (
	"context"
	"errors"
	"strings"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// state is how far a session is, or several of these.
type state uint8

const (
	fresh     state = 1 << iota // before LHLO or EHLO
	ready                       // after it, and between two messages
	begun                       // after MAIL
	addressed                   // after RCPT, for a recipient that was accepted
	chunked                     // after BDAT, and before the last one

	between  = ready | begun | addressed
	anyState = fresh | between | chunked
)

// command is a command of the protocol.
type command struct {
	verb   string
	states state // in which it is allowed
	habits habit
	run    func(c *Conn, ctx context.Context, arguments string) error
}

// habit is what is special about a command, or several of these.
type habit uint8

const (
	breaks  habit = 1 << iota // between two BDAT it ends the message, which is not delivered
	grouped                   // its answer may wait for those of the next commands (RFC 2920 section 3.2)
)

// commands are all that the server knows. Their run either answers or returns an
// error.
var commands = [...]command{
	{"LHLO", fresh | between, breaks, (*Conn).lhlo},
	{"EHLO", fresh | between, breaks, (*Conn).ehlo},
	{"HELO", fresh | between, breaks, (*Conn).helo},
	{"STARTTLS", fresh | between, breaks, (*Conn).startTLS},
	{"XCLIENT", fresh | ready, 0, (*Conn).xclient},

	{"MAIL", ready, grouped, (*Conn).mailFrom},
	{"RCPT", begun | addressed, grouped, (*Conn).rcptTo},
	{"DATA", addressed, 0, (*Conn).data},
	{"BDAT", anyState, 0, (*Conn).bdat}, // which looks at the state itself: its chunk must be read
	{"RSET", fresh | between, breaks | grouped, (*Conn).rset},

	{"NOOP", anyState, 0, (*Conn).noop},
	{"VRFY", anyState, 0, (*Conn).vrfy},
	{"HELP", anyState, 0, (*Conn).help},
	{"QUIT", fresh | between, breaks, (*Conn).quit},
}

// lookup finds the command of a line, and what follows its verb and a blank. The
// command is empty if there is no such command.
func (c *Conn) lookup(line string) (cmd command, arguments string) {
	verb, arguments, _ := strings.Cut(line, " ")
	for i := range commands {
		if strings.EqualFold(verb, commands[i].verb) {
			return commands[i], arguments
		}
	}
	if own, has := c.server.ownCommand(verb); has {
		return command{own.Verb, fresh | between, 0, own.run}, arguments
	}
	return command{}, ""
}

// state is how far the session is.
func (c *Conn) state() state {
	switch {
	case c.hello == "":
		return fresh
	case !c.mail.begun:
		return ready
	case len(c.mail.to) == 0:
		return begun
	case c.mail.chunked:
		return chunked
	}
	return addressed
}

// outOfPlace is why a command cannot be done in a state; the first row counts.
var outOfPlace = []struct {
	state state
	verb  string // "": any
	why   *Error
}{
	{chunked, "", refusal(503, "5.5.1", "A message comes by BDAT: end it by BDAT LAST or RSET")},
	{between, "MAIL", refusal(503, "5.5.1", "A message was begun already: RSET ends it")},
	{begun, "", refusal(503, "5.5.1", "No valid recipients: RCPT comes first")},
	{ready, "", refusal(503, "5.5.1", "MAIL comes first")},
}

// execute runs one command and answers it. It returns how the connection ends,
// or nil if it goes on.
func (c *Conn) execute(ctx context.Context, line string) *ended {
	cmd, arguments := c.lookup(line)
	end := c.conclude(c.run(ctx, cmd, arguments))
	if end == nil && cmd.habits&grouped == 0 {
		c.out.Flush() // its error comes with the next read
	}
	return end
}

// conclude counts a command, and answers it if it returned an error.
func (c *Conn) conclude(err error) *ended {
	if err == nil {
		c.bad, c.refused = 0, max(0, c.refused-1)
		return nil
	}
	var end *ended
	var wrong mistake
	switch {
	case errors.As(err, &end):
		return end
	case errors.As(err, &wrong):
		c.bad++
		c.refused++
	case isRefusal(err):
		c.refused++
	}
	if netserver.Reached(c.bad, c.server.limit.bad) || netserver.Reached(c.refused, c.server.limit.refused) {
		c.answer(errTooManyBad)
		return &ended{ReasonBadCommands, err}
	}
	answer := reply(err)
	c.answer(answer)
	if answer.Close {
		return &ended{ReasonRefused, err}
	}
	return nil
}

func (c *Conn) run(ctx context.Context, cmd command, arguments string) error {
	state := c.state()
	switch {
	case cmd.run == nil:
		return mistake{refusal(500, "5.5.1", "Unknown command")}
	case cmd.states&state != 0:
		return cmd.run(c, ctx, arguments)
	case state == fresh:
		return mistake{refusal(503, "5.5.1", c.server.helloVerb()+" comes first")}
	}
	for _, row := range outOfPlace {
		if row.state&state != 0 && (row.verb == "" || row.verb == cmd.verb) {
			return mistake{row.why}
		}
	}
	return mistake{refusal(503, "5.5.1", "Not now")}
}

func (c *Conn) rset(_ context.Context, _ string) error {
	c.mail = envelope{}
	c.say(250, "2.0.0", "Forgotten")
	return nil
}

func (c *Conn) noop(_ context.Context, _ string) error {
	c.say(250, "2.0.0", "OK")
	return nil
}

// vrfy says no more than RCPT does (RFC 5321 section 7.3).
func (c *Conn) vrfy(_ context.Context, _ string) error {
	c.say(252, "2.0.0", "Send mail and see")
	return nil
}

func (c *Conn) help(_ context.Context, _ string) error {
	c.say(214, "2.0.0", "See RFC 5321 and RFC 2033")
	return nil
}

func (c *Conn) quit(_ context.Context, _ string) error {
	c.say(221, "2.0.0", "Bye")
	return &ended{reason: ReasonQuit}
}

// isRefusal reports whether an error is the last word on a command, and not one of
// the host.
func isRefusal(err error) bool {
	var worded *Error
	return errors.Is(err, mailbox.ErrNoSuchUser) || errors.As(err, &worded) && !worded.Temporary()
}

package pop3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/popcask/popcask/internal/netserver"
	"github.com/popcask/popcask/mailbox"
)

// State is the state of a session (RFC 1939 section 3), or several of them. The
// UPDATE state has no value of its own: QUIT enters it, and leaves it by ending
// the connection.
type State uint8

const (
	Authorization State = 1 << iota // before the login
	Transaction                     // after it

	anyState = Authorization | Transaction
)

// command is a command of the protocol.
type command struct {
	verb   string
	states State // in which it is allowed
	form   form
	run    func(*Conn, context.Context, arguments) error
}

// commands are all that the server knows. Their run either answers +OK or
// returns an error.
var commands = [...]command{
	{"CAPA", anyState, nothing, (*Conn).capa},
	{"NOOP", Transaction, nothing, (*Conn).noop},
	{"QUIT", anyState, nothing, (*Conn).quit},
	{"UTF8", anyState, nothing, (*Conn).utf8},
	{"LANG", anyState, optionalText, (*Conn).lang},

	{"XCLIENT", Authorization, name, (*Conn).xclient},
	{"STLS", Authorization, nothing, (*Conn).stls},
	{"USER", Authorization, name, (*Conn).userCommand},
	{"PASS", Authorization, verbatim, (*Conn).pass},
	{"APOP", Authorization, name, (*Conn).apop},
	{"AUTH", Authorization, optionalText, (*Conn).auth},

	{"STAT", Transaction, nothing, (*Conn).stat},
	{"LIST", Transaction, optionalNumber, (*Conn).list},
	{"UIDL", Transaction, optionalNumber, (*Conn).uidl},
	{"RETR", Transaction, number, (*Conn).retr},
	{"TOP", Transaction, numberAndNumber, (*Conn).top},
	{"DELE", Transaction, number, (*Conn).dele},
	{"RSET", Transaction, nothing, (*Conn).rset},
}

// lookup finds a command by its verb in any case (RFC 1939 section 3): one of
// the server's, or else of the host's. The zero command is one that neither
// knows.
func (c *Conn) lookup(line []byte) command {
	for i := range commands {
		if isVerb(line, commands[i].verb) {
			return commands[i]
		}
	}
	for _, own := range c.server.Commands {
		if isVerb(line, own.Verb) {
			return command{own.Verb, own.States, verbatimOrNothing, own.run}
		}
	}
	return command{}
}

// isVerb reports whether a line begins with a verb, in any case, and then ends
// or goes on with a blank.
func isVerb(line []byte, verb string) bool {
	if len(line) < len(verb) || len(line) > len(verb) && line[len(verb)] != ' ' {
		return false
	}
	for i := range len(verb) {
		if upper(line[i]) != verb[i] {
			return false
		}
	}
	return true
}

// isKeyword reports whether a line begins with three or four letters or digits,
// as commands do (RFC 1939 section 3).
func isKeyword(line []byte) bool {
	verb, _, _ := bytes.Cut(line, []byte(" "))
	for _, c := range verb {
		if !isVerbOctet(upper(c)) {
			return false
		}
	}
	return len(verb) == 3 || len(verb) == 4
}

// isVerbOctet reports whether c is a capital letter or a digit.
func isVerbOctet(c byte) bool { return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' }

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		c -= 'a' - 'A'
	}
	return c
}

// execute answers one command; in is how many octets had been read before it.
// It returns how the connection ends, or nil if it goes on.
func (c *Conn) execute(ctx context.Context, line []byte, in int64) *ended {
	if len(line) == 0 {
		return c.ignore(ctx)
	}
	began, out := time.Now(), c.out.octets
	cmd := c.lookup(line)
	info := CommandInfo{Verb: cmd.verb}
	if c.server.hooks.Begin != nil {
		if inner := c.server.hooks.Begin(ctx, c, cmd.verb); inner != nil {
			ctx = inner
		}
	}
	err := c.run(ctx, cmd, line)
	if c.isHijacked() {
		err = &ended{reason: ReasonHijacked}
	}
	end, _ := err.(*ended)
	switch {
	case err == nil:
		c.bad, c.refused = 0, max(0, c.refused-1)
		info.OK = true
	case end != nil:
		info.OK, info.Err = end.err == nil, end.err
	default:
		info.Err = err
		info.Code, end = c.refuse(ctx, cmd, err)
	}
	logs := c.server.log.Enabled(ctx, slog.LevelDebug)
	if c.server.hooks.Command == nil && !logs {
		return end
	}
	info.Duration = time.Since(began)
	info.In, info.Out = c.inOctets-in, c.out.octets-out
	if logs {
		c.logCommand(ctx, info)
	}
	if c.server.hooks.Command != nil {
		c.server.hooks.Command(ctx, c, info)
	}
	return end
}

// ignore takes an empty line, which needs no answer. It counts as a refused
// command, since a client could send nothing else for ever.
func (c *Conn) ignore(ctx context.Context) *ended {
	c.refused++
	if !netserver.Reached(c.refused, c.server.limit.refused) {
		return nil
	}
	return c.hopeless(ctx, errEmptyLines)
}

var errEmptyLines = errors.New("pop3: too many empty lines")

// run runs a command if it may come now and is well-formed. The answer to a
// panic of the host's code is -ERR, unless another answer has begun.
func (c *Conn) run(ctx context.Context, cmd command, line []byte) (err error) {
	sent := c.out.octets
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(ctx, p)
			if c.out.octets != sent {
				err = &ended{ReasonPanic, err}
			} else {
				err = &Error{Code: CodeTemporary, Text: "internal error", Close: true, Err: err}
			}
		}
	}()
	switch {
	case cmd.run == nil && isKeyword(line):
		return impossible("unknown command")
	case cmd.run == nil:
		return mistake("unknown command")
	case cmd.states&c.state == 0 && c.state == Authorization:
		return mistake("log in first")
	case cmd.states&c.state == 0:
		return mistake("already logged in")
	}
	a, err := cmd.form.parse(string(line[len(cmd.verb):]))
	if err != nil {
		return err
	}
	return cmd.run(c, ctx, a)
}

// refuse answers -ERR, and returns its code. It ends the connection if the
// answer says so, and if the client is wrong too often.
func (c *Conn) refuse(ctx context.Context, cmd command, err error) (ResponseCode, *ended) {
	var wrong mistake
	var cannot impossible
	answer := &Error{}
	switch {
	case errors.As(err, &wrong):
		answer.Text = string(wrong)
		c.bad++
		c.refused++
	case errors.As(err, &cannot):
		answer.Text = string(cannot)
		c.refused++
	default:
		answer = reply(err, atCommand)
		if errors.Is(err, mailbox.ErrNotFound) {
			c.refused++
		}
		if answer.Err != nil && answer.Code != CodeAuth && !errors.Is(err, errBraked) {
			c.server.log.WarnContext(ctx, "pop3: command failed", "conn", c.ID(), "user", c.User(),
				"verb", cmp.Or(cmd.verb, "unknown command"), "error", err)
		}
	}
	if netserver.Reached(c.bad, c.maxBad()) || netserver.Reached(c.refused, c.server.limit.refused) {
		return "", c.hopeless(ctx, err)
	}
	c.writeError(answer)
	if !answer.Close {
		return answer.Code, nil
	}
	return answer.Code, c.flushAndEnd(ctx, &ended{ReasonRefused, err})
}

// hopeless ends the connection of a client that is wrong too often.
func (c *Conn) hopeless(ctx context.Context, err error) *ended {
	c.writeError(&Error{Text: string(ReasonBadCommands)})
	return c.flushAndEnd(ctx, &ended{ReasonBadCommands, err})
}

// maxBad is how many commands in a row may be wrong.
func (c *Conn) maxBad() int {
	if c.state == Authorization {
		return c.server.limit.badBeforeLogin
	}
	return c.server.limit.bad
}

func (c *Conn) writeError(reply *Error) {
	said := *reply
	said.Text = c.translated(reply.Text)
	c.out.strings(said.line())
}

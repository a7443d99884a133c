package pop3

import (
	"context"
	"errors"
	"time"
)

// state is where in RFC 1939 section 3 a session is. The UPDATE state has no
// value of its own: QUIT enters it and leaves it by ending the connection.
type state uint8

const (
	authorization state = 1 << iota
	transaction

	anyState = authorization | transaction
)

// command is what a client can say.
type command struct {
	verb   string
	states state // in which it is allowed
	form   form
	run    func(*Conn, context.Context, arguments) error
}

// commands are all that the server knows. A run either answers +OK itself or
// returns what went wrong.
var commands = [...]command{
	{"CAPA", anyState, nothing, (*Conn).capa},
	{"NOOP", transaction, nothing, (*Conn).noop},
	{"QUIT", anyState, nothing, (*Conn).quit},

	{"STLS", authorization, nothing, (*Conn).stls},
	{"USER", authorization, name, (*Conn).userCommand},
	{"PASS", authorization, verbatim, (*Conn).pass},
	{"APOP", authorization, name, (*Conn).apop},
	{"AUTH", authorization, optionalText, (*Conn).auth},

	{"STAT", transaction, nothing, (*Conn).stat},
	{"LIST", transaction, optionalNumber, (*Conn).list},
	{"UIDL", transaction, optionalNumber, (*Conn).uidl},
	{"RETR", transaction, number, (*Conn).retr},
	{"TOP", transaction, numberAndNumber, (*Conn).top},
	{"DELE", transaction, number, (*Conn).dele},
	{"RSET", transaction, nothing, (*Conn).rset},
}

// lookup finds a command by its verb in any case (RFC 1939 section 3).
func lookup(line []byte) *command {
	for i := range commands {
		if isVerb(line, commands[i].verb) {
			return &commands[i]
		}
	}
	return nil
}

// isVerb tells whether a line begins with a verb, in any case, and a blank or
// nothing behind it.
func isVerb(line []byte, verb string) bool {
	if len(line) < len(verb) || len(line) > len(verb) && line[len(verb)] != ' ' {
		return false
	}
	for i := range len(verb) {
		if line[i]&^0x20 != verb[i] {
			return false
		}
	}
	return true
}

// execute answers one command, before which in octets had been read. It returns
// how the connection ends, or nil where it goes on.
func (c *Conn) execute(ctx context.Context, line []byte, in int64) *ended {
	var began time.Time
	out := c.out.octets
	if c.server.hooks.Command != nil {
		began = time.Now()
	}
	cmd := lookup(line)
	err := c.run(ctx, cmd, line)

	var end *ended
	var reply *Error
	if err == nil {
		c.bad = 0
	} else {
		end, reply = c.conclude(cmd, err)
	}
	if c.server.hooks.Command != nil {
		info := CommandInfo{
			OK:       reply == nil && (end == nil || end.err == nil),
			Duration: time.Since(began),
			In:       c.inOctets - in,
			Out:      c.out.octets - out,
		}
		if cmd != nil {
			info.Verb = cmd.verb
		}
		if reply != nil {
			info.Code = reply.Code
		}
		c.server.hooks.Command(c, info)
	}
	return end
}

// conclude ends a command that did not go well: the connection ends, or the
// answer is -ERR, or both.
func (c *Conn) conclude(cmd *command, err error) (*ended, *Error) {
	if end, is := err.(*ended); is {
		return end, nil
	}
	reply := toReply(err)
	return c.refuse(cmd, err, reply), reply
}

// run checks whether a command may run and runs it. A panic of the host's code
// is answered where the answer has not begun.
func (c *Conn) run(ctx context.Context, cmd *command, line []byte) (err error) {
	sent := c.out.octets
	defer func() {
		if p := recover(); p != nil {
			err = c.panicked(p)
			if c.out.octets != sent {
				err = &ended{reasonPanic, err}
			} else {
				err = &Error{Code: CodeTemporary, Text: "internal error", Close: true, Err: err}
			}
		}
	}()
	switch {
	case cmd == nil:
		return mistake("unknown command")
	case cmd.states&c.state == 0 && c.state == authorization:
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

// refuse answers -ERR. It ends the connection where the reply says so, and
// where a client is wrong too often.
func (c *Conn) refuse(cmd *command, err error, reply *Error) *ended {
	verb := "unknown command"
	if cmd != nil {
		verb = cmd.verb
	}
	limit := c.server.limit.bad
	if c.state == authorization {
		limit = c.server.limit.badBeforeLogin
	}
	end := &ended{"refused " + verb, err}
	var wrong mistake
	if errors.As(err, &wrong) {
		c.bad++
		if limit >= 0 && c.bad >= limit {
			reply = &Error{Text: "too many bad commands", Close: true}
			end.reason = "too many bad commands"
		}
	} else if reply.Err != nil && reply.Code != CodeAuth {
		c.server.log.Warn("pop3: command failed", "verb", verb, "user", c.info.User, "error", err)
	}
	c.writeError(reply)
	if !reply.Close {
		return nil
	}
	return c.flushAndEnd(end)
}

func (c *Conn) writeError(reply *Error) { c.out.strings(reply.line()) }

package pop3

import (
	"cmp"
	"context"
	"errors"
	"time"
)

// state is the state of a session (RFC 1939 section 3). The UPDATE state has no
// value of its own: QUIT enters it, and leaves it by ending the connection.
type state uint8

const (
	authorization state = 1 << iota
	transaction

	anyState = authorization | transaction
)

// command is a command of the protocol.
type command struct {
	verb   string
	states state // in which it is allowed
	form   form
	run    func(*Conn, context.Context, arguments) error
}

// commands are all that the server knows. Their run either answers +OK or
// returns an error.
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

// lookup finds a command by its verb in any case (RFC 1939 section 3). The zero
// command is one that the server does not know.
func lookup(line []byte) command {
	for i := range commands {
		if isVerb(line, commands[i].verb) {
			return commands[i]
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
		if line[i]&^0x20 != verb[i] {
			return false
		}
	}
	return true
}

// execute answers one command; in is how many octets had been read before it.
// It returns how the connection ends, or nil if it goes on.
func (c *Conn) execute(ctx context.Context, line []byte, in int64) *ended {
	began, out := time.Now(), c.out.octets
	cmd := lookup(line)
	info := CommandInfo{Verb: cmd.verb}
	err := c.run(ctx, cmd, line)
	end, _ := err.(*ended)
	switch {
	case err == nil:
		c.bad = 0
		info.OK = true
	case end != nil:
		info.OK = end.err == nil
	default:
		info.Code, end = c.refuse(cmd, err)
	}
	if c.server.hooks.Command != nil {
		info.Duration = time.Since(began)
		info.In, info.Out = c.inOctets-in, c.out.octets-out
		c.server.hooks.Command(c, info)
	}
	return end
}

// run runs a command if it may come now and is well-formed. The answer to a
// panic of the host's code is -ERR, unless another answer has begun.
func (c *Conn) run(ctx context.Context, cmd command, line []byte) (err error) {
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
	case cmd.run == nil:
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

// refuse answers -ERR, and returns its code. It ends the connection if the
// answer says so, and if the client is wrong too often.
func (c *Conn) refuse(cmd command, err error) (ResponseCode, *ended) {
	verb := cmp.Or(cmd.verb, "unknown command")
	reason := "refused " + verb
	reply := toReply(err)
	var wrong mistake
	if errors.As(err, &wrong) {
		c.bad++
		if reached(c.bad, c.maxBad()) {
			reason = "too many bad commands"
			reply = &Error{Text: reason, Close: true}
		}
	} else if reply.Err != nil && reply.Code != CodeAuth {
		c.server.log.Warn("pop3: command failed", "verb", verb, "user", c.info.User, "error", err)
	}
	c.writeError(reply)
	if !reply.Close {
		return reply.Code, nil
	}
	return reply.Code, c.flushAndEnd(&ended{reason, err})
}

// maxBad is how many commands in a row may be wrong.
func (c *Conn) maxBad() int {
	if c.state == authorization {
		return c.server.limit.badBeforeLogin
	}
	return c.server.limit.bad
}

func (c *Conn) writeError(reply *Error) { c.out.strings(reply.line()) }

package pop3

import (
	"context"
	"fmt"
	"iter"
)

// Command is a command of the host's own, such as XTND.
type Command struct {
	// Verb is the name of the command: capital letters and digits. It must not
	// be one of the server's own.
	Verb string

	// States are the states in which the command is allowed.
	States State

	// Capability is the line of CAPA that announces the command: in both states,
	// or after the login only if the command is allowed only there (RFC 2449
	// section 5). Empty announces nothing.
	Capability string

	// Run answers the command; arguments is what follows the verb and a blank,
	// octet for octet. An error is answered as one of a store, or in the words
	// of an [*Error]. The context ends with Server.StoreTimeout, or with the
	// connection. Run may call [Conn.Hijack].
	Run func(ctx context.Context, c *Conn, arguments string) (Reply, error)
}

// Reply is an answer with +OK.
type Reply struct {
	// Text is the rest of the status line, after "+OK ".
	Text string

	// Lines are the lines of a multi-line response, without their ends. The
	// server stuffs them and adds the final dot. nil makes a single-line
	// response. They are ranged over after Run has returned, and before its
	// context ends. An error instead of the first line is answered as one of
	// Run. A later one ends the connection before the final dot, so that no
	// client takes the response for whole.
	Lines iter.Seq2[string, error]
}

// run answers the command.
func (own Command) run(c *Conn, ctx context.Context, a arguments) error {
	work := c.startWork(ctx)
	defer c.stopWork()
	answer, err := own.Run(work.ctx, c, a.text)
	err = work.explain(err)
	work.pause()
	if err != nil || c.isHijacked() {
		return err
	}
	if answer.Lines == nil {
		c.writeOK(answer.Text)
		return nil
	}
	if err := c.writeLines(ctx, work, answer); err != nil {
		return err
	}
	c.out.strings(".\r\n")
	return nil
}

func (c *Conn) writeOK(text string) { c.out.strings(fitted("+OK "+printable(text)), "\r\n") }

// writeLines writes a multi-line response up to its final dot. +OK is sent with
// the first line: an error before that is a clean -ERR, and one after it ends
// the connection, as in a message.
func (c *Conn) writeLines(ctx context.Context, work *work, answer Reply) error {
	begun := false
	work.resume()
	defer work.pause()
	for line, err := range answer.Lines {
		work.pause()
		switch {
		case err != nil && !begun:
			return err
		case err != nil:
			return c.endedEarly(ctx, fmt.Errorf("pop3: a response ended early: %w", err))
		case !begun:
			c.writeOK(answer.Text)
			begun = true
		}
		c.listLine(line)
		if c.out.err != nil {
			return c.gone(c.out.err)
		}
		work.resume()
	}
	work.pause()
	if !begun {
		c.writeOK(answer.Text)
	}
	return nil
}

// checkCommands returns an error if a command of the host cannot be one.
func checkCommands(own []Command) error {
	seen := make(map[string]bool)
	for _, c := range commands {
		seen[c.verb] = true
	}
	for _, c := range own {
		switch {
		case !isOwnVerb(c.Verb):
			return fmt.Errorf("pop3: Server.Commands: %q is no verb: capital letters and digits are", c.Verb)
		case seen[c.Verb]:
			return fmt.Errorf("pop3: Server.Commands: there is a command %s already", c.Verb)
		case c.Run == nil || c.States&anyState == 0:
			return fmt.Errorf("pop3: Server.Commands: %s needs Run and States", c.Verb)
		}
		seen[c.Verb] = true
	}
	return nil
}

func isOwnVerb(verb string) bool {
	for i := range len(verb) {
		if !isVerbOctet(verb[i]) {
			return false
		}
	}
	return verb != ""
}

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

	// Capability is the line of CAPA that announces the command, in the states
	// in which it is allowed. Empty announces nothing.
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
	// context ends.
	Lines iter.Seq[string]
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
	c.out.strings(fitted("+OK "+printable(answer.Text)), "\r\n")
	if answer.Lines == nil {
		return nil
	}
	work.resume()
	for line := range answer.Lines {
		work.pause()
		c.listLine(line)
		work.resume()
	}
	work.pause()
	c.out.strings(".\r\n")
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
		if c := verb[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return verb != ""
}

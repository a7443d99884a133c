package lmtp

import (
	"context"
	"fmt"
	"strings"
)

// Command is a command of the host's own, such as AUTH.
type Command struct {
	// Verb is the name of the command: capital letters and digits. It must not be
	// one of the server's own.
	Verb string

	// Keyword is the line of the answer to EHLO that announces the command. Empty
	// announces nothing.
	Keyword string

	// Run answers the command; arguments is what follows the verb and a blank,
	// octet for octet. An error is answered as one of a store, or in the words of
	// an [*Error]. The context ends with the connection. Run may call
	// [Conn.Prompt].
	Run func(ctx context.Context, c *Conn, arguments string) (Reply, error)
}

// Reply is an answer to a command of the host's own.
type Reply struct {
	Code     int    // 200 to 299, or 300 to 399 for Conn.Prompt
	Enhanced string // "2.0.0"; may be empty
	Text     string
}

// Prompt sends an answer after which the client sends a line that is no command,
// and returns that line, without its line end. Only [Command.Run] may call it.
// Run returns its error.
func (c *Conn) Prompt(reply Reply) (line string, err error) {
	c.say(reply.Code, reply.Enhanced, reply.Text)
	line, err = c.readLine()
	if err != nil {
		return "", c.endOfInput(err)
	}
	return line, nil
}

// run answers the command.
func (own Command) run(c *Conn, ctx context.Context, arguments string) error {
	reply, err := own.Run(ctx, c, arguments)
	if err != nil {
		return err
	}
	c.say(reply.Code, reply.Enhanced, reply.Text)
	return nil
}

// ownCommand finds a command of the host's own.
func (s *Server) ownCommand(verb string) (own Command, has bool) {
	for _, own := range s.Commands {
		if strings.EqualFold(verb, own.Verb) {
			return own, true
		}
	}
	return Command{}, false
}

// checkCommands returns an error if a command of the host cannot be one.
func checkCommands(own []Command) error {
	seen := make(map[string]bool)
	for _, c := range commands {
		seen[c.verb] = true
	}
	for _, c := range own {
		switch {
		case c.Verb == "" || strings.Trim(c.Verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "":
			return fmt.Errorf("lmtp: Server.Commands: %q is no verb: capital letters and digits are", c.Verb)
		case seen[c.Verb]:
			return fmt.Errorf("lmtp: Server.Commands: there is a command %s already", c.Verb)
		case c.Run == nil:
			return fmt.Errorf("lmtp: Server.Commands: %s needs Run", c.Verb)
		}
		seen[c.Verb] = true
	}
	return nil
}

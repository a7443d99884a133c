package lmtp

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/popcask/popcask/internal/netserver"
)

// envelope is what a client sends before the message.
type envelope struct {
	begun   bool // by MAIL
	chunked bool // BDAT has begun
	from    address
	utf8    bool // SMTPUTF8 (RFC 6531)
	to      []recipient
}

// recipient is one that RCPT named and the directory knows.
type recipient struct {
	address address
	user    string
}

var (
	errNoSender    = refusal(501, "5.5.4", "MAIL FROM:<address> begins a message")
	errNoRecipient = refusal(501, "5.5.4", "RCPT TO:<address> names a recipient")
	errSender      = refusal(553, "5.1.7", "The sender is not an address")
	errRecipient   = refusal(553, "5.1.3", "The recipient is not an address")
	errNeedsUTF8   = refusal(553, "5.6.7", "That address needs SMTPUTF8")
	errParameter   = refusal(501, "5.5.4", "A parameter is wrong")
	errUnknown     = refusal(555, "5.5.4", "A parameter is unknown")

	errTooManyRecipients = refusal(452, "4.5.3", "Too many recipients, send the message again for the rest")
)

// mailFrom answers MAIL.
func (c *Conn) mailFrom(_ context.Context, arguments string) error {
	text, ok := cutPrefixFold(arguments, "FROM:")
	if !ok {
		return mistake{errNoSender}
	}
	from, rest, ok := parsePath(strings.TrimLeft(text, " "))
	if !ok || !c.isComplete(from) && !from.isEmpty() {
		return mistake{errSender}
	}
	mail := envelope{begun: true, from: from.clone()}
	for parameter := range strings.FieldsSeq(rest) {
		if err := c.mailParameter(&mail, parameter); err != nil {
			return err
		}
	}
	if !mail.utf8 && !isASCII(from.String()) {
		return errNeedsUTF8
	}
	c.mail = mail
	c.say(250, "2.1.0", "OK")
	return nil
}

// mailParameter reads a parameter of MAIL, such as SIZE=1000.
func (c *Conn) mailParameter(mail *envelope, parameter string) error {
	name, value, has := strings.Cut(parameter, "=")
	switch strings.ToUpper(name) {
	case "SIZE": // RFC 1870, of up to 20 digits
		size, err := strconv.ParseUint(value, 10, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return mistake{errParameter}
		}
		if limit := c.server.limit.size; limit >= 0 && size > uint64(limit) {
			return errTooLarge
		}
		return nil
	case "BODY": // RFC 6152
		if !strings.EqualFold(value, "7BIT") && !strings.EqualFold(value, "8BITMIME") {
			return mistake{errParameter}
		}
		return nil
	case "SMTPUTF8": // RFC 6531
		if has {
			return mistake{errParameter}
		}
		mail.utf8 = true
		return nil
	case "AUTH": // RFC 4954 section 5, if a host has that command
		if _, has := c.server.ownCommand("AUTH"); has {
			return nil
		}
	}
	return mistake{errUnknown}
}

// rcptTo answers RCPT.
func (c *Conn) rcptTo(ctx context.Context, arguments string) error {
	text, ok := cutPrefixFold(arguments, "TO:")
	if !ok {
		return mistake{errNoRecipient}
	}
	to, rest, ok := parsePath(strings.TrimLeft(text, " "))
	switch {
	case !ok || to.isEmpty() || !c.isComplete(to) && !to.isPostmaster():
		return mistake{errRecipient}
	case strings.TrimSpace(rest) != "":
		return mistake{errUnknown}
	case !c.mail.utf8 && !isASCII(to.String()):
		return errNeedsUTF8
	case netserver.Reached(len(c.mail.to), c.server.limit.recipients):
		return errTooManyRecipients
	}
	var user string
	err := c.ask(ctx, func(ctx context.Context) (err error) {
		user, err = c.server.Directory.Lookup(ctx, to.String())
		return err
	})
	c.tellRecipient(ctx, to, user, err)
	if err != nil {
		return err
	}
	c.mail.to = append(c.mail.to, recipient{to.clone(), strings.Clone(user)})
	c.say(250, "2.1.5", "OK")
	return nil
}

// isComplete reports whether an address may stand in a command: over LMTP the
// domain may be missing, since the other side is a mail server of ours.
func (c *Conn) isComplete(a address) bool {
	return a.local != "" && (a.domain != "" || c.server.Protocol == LMTP)
}

// ask asks the host for something that takes Server.StoreTimeout at most.
func (c *Conn) ask(ctx context.Context, f func(context.Context) error) error {
	if limit := c.server.limit.store; limit >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	return f(ctx)
}

// cutPrefixFold is strings.CutPrefix for a prefix of any case.
func cutPrefixFold(text, prefix string) (after string, found bool) {
	if len(text) < len(prefix) || !strings.EqualFold(text[:len(prefix)], prefix) {
		return text, false
	}
	return text[len(prefix):], true
}

package lmtp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/popcask/popcask/mailbox"
)

// Error is a refusal in a host's own words: of a Directory, of an Appender, of
// Server.Admit, of a [Command]. Any other error of a host is answered with a
// fixed text; the package comment has the map.
type Error struct {
	// Code is the reply code: 400 to 499 if the sender should try again, 500 to
	// 599 if that does not help. 0 is 451.
	Code int

	// Enhanced is the enhanced status code (RFC 3463): "5.7.1". Its first digit
	// is that of Code. Empty leaves it out.
	Enhanced string

	// Text is for people. Control characters and what is not UTF-8 are left out,
	// and a text that is too long for a reply is cut.
	Text string

	// Close ends the connection after the answer.
	Close bool

	// Err is the cause, for the log. It may be nil.
	Err error
}

func (e *Error) Error() string {
	text := "lmtp: " + e.line()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the sender should try again.
func (e *Error) Temporary() bool { return e.Code < 500 }

// line is the reply, without its line end.
func (e *Error) line() string {
	return strings.TrimRight(fmt.Sprintf("%d %s", e.Code, strings.TrimLeft(e.Enhanced+" "+e.Text, " ")), " ")
}

func refusal(code int, enhanced, text string) *Error {
	return &Error{Code: code, Enhanced: enhanced, Text: text}
}

// mistake is an error of the client: a command that breaks the grammar, or comes
// in the wrong state. Too many in a row end the connection.
type mistake struct{ answer *Error }

func (m mistake) Error() string { return m.answer.Error() }

// Unwrap returns the answer.
func (m mistake) Unwrap() error { return m.answer }

// fixedReplies are the answers to the errors of a host; the first row that fits
// counts. The package comment has the same table.
var fixedReplies = []struct {
	err   error
	reply *Error
}{
	{mailbox.ErrNoSuchUser, refusal(550, "5.1.1", "No such user here")},
	{mailbox.ErrOverQuota, refusal(552, "5.2.2", "Mailbox is full")},
	{mailbox.ErrTooLarge, errTooLarge},
	{syscall.ENOSPC, refusal(452, "4.3.1", "Disk is full, try again later")},
	{mailbox.ErrPermanent, refusal(554, "5.3.0", "Cannot be delivered")},
	{context.DeadlineExceeded, refusal(451, "4.3.0", "This takes too long, try again later")},
}

var (
	errTryAgain    = refusal(451, "4.3.0", "Temporary failure, try again later")
	errTooLarge    = refusal(552, "5.3.4", "Message is too large")
	errTooManyHops = refusal(554, "5.4.6", "Too many hops: the message is in a loop")

	errTooManyConnections = closing("4.7.0", "Too many connections, try again later")
	errTooManyFromAddress = closing("4.7.0", "Too many connections from your address, try again later")
	errDisplaced          = closing("4.7.0", "Too many connections, this one made room")
	errTooManyBad         = closing("4.7.0", "Too many bad commands")
	errShutDown           = closing("4.3.2", "Server is shutting down, try again later")
	errIdle               = closing("4.4.2", "Idle for too long")
	errPanic              = closing("4.3.0", "Internal error, try again later")
)

// closing is an answer after which the server hangs up.
func closing(enhanced, text string) *Error {
	return &Error{Code: 421, Enhanced: enhanced, Text: text, Close: true}
}

// reply maps an error to the answer that the client gets.
func reply(err error) *Error {
	var worded *Error
	if errors.As(err, &worded) {
		return legal(worded)
	}
	for _, row := range fixedReplies {
		if errors.Is(err, row.err) {
			return row.reply
		}
	}
	return errTryAgain
}

// legal returns an answer of a host as one that a client can read: with a code
// that refuses, and an enhanced code of the same class.
func legal(e *Error) *Error {
	answer := *e
	if answer.Code < 400 || answer.Code > 599 {
		answer.Code = 451
	}
	if answer.Enhanced != "" && !isEnhanced(answer.Enhanced, answer.Code) {
		answer.Enhanced = ""
	}
	return &answer
}

// isEnhanced reports whether text is an enhanced status code of a class (RFC 3463
// section 2).
func isEnhanced(text string, code int) bool {
	var class, subject, detail int
	n, err := fmt.Sscanf(text, "%1d.%3d.%3d", &class, &subject, &detail)
	return err == nil && n == 3 && class == code/100 && text == fmt.Sprintf("%d.%d.%d", class, subject, detail)
}

// oneReply makes one answer out of the results for all recipients. It is positive
// only if all have the message: none loses it. While some may get it later the
// sender is to try again, and those that have it get it twice. If the others
// never will, it is final: or else the sender would try for days, and those that
// have it would get it each time.
func oneReply(results []delivered) error {
	var final error
	for _, result := range results {
		switch {
		case result.Err == nil:
		case reply(result.Err).Temporary():
			return result.Err
		case final == nil:
			final = result.Err
		}
	}
	return final
}

package pop3

import (
	"context"
	"errors"
	"strings"

	"github.com/popcask/popcask/mailbox"
)

// ResponseCode is the machine-readable reason of an -ERR, without its brackets
// (RFC 2449 section 8, RFC 3206).
type ResponseCode string

const (
	CodeAuth       ResponseCode = "AUTH"        // the credentials are wrong (RFC 3206)
	CodeInUse      ResponseCode = "IN-USE"      // another session has the maildrop (RFC 2449)
	CodeLoginDelay ResponseCode = "LOGIN-DELAY" // logged in too often (RFC 2449)
	CodeTemporary  ResponseCode = "SYS/TEMP"    // try again later (RFC 3206)
	CodePermanent  ResponseCode = "SYS/PERM"    // somebody must mend something (RFC 3206)
)

// Error is an -ERR that a host words itself. Any other error that a host
// returns is mapped to a fixed text, and only the log shows its own: see the
// package comment for the map.
type Error struct {
	// Code may be empty.
	Code ResponseCode

	// Text is for people. What is not printable ASCII or UTF-8 is left out,
	// and what is longer than a response line may be is cut.
	Text string

	// Close ends the connection after the answer.
	Close bool

	// Err is the cause, for the log. It may be nil.
	Err error
}

func (e *Error) Error() string {
	text := "pop3: -ERR "
	if e.Code != "" {
		text += "[" + string(e.Code) + "] "
	}
	text += e.Text
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var errTooManyConnections = &Error{Code: CodeTemporary, Text: "too many connections, try again later"}

// mistake is a command that a client got wrong; too many in a row end the
// connection.
type mistake string

func (m mistake) Error() string { return string(m) }

// toReply maps whatever went wrong to what the client is told.
func toReply(err error) *Error {
	var reply *Error
	var wrong mistake
	switch {
	case errors.As(err, &reply):
		return reply
	case errors.As(err, &wrong):
		return &Error{Text: string(wrong)}
	case errors.Is(err, mailbox.ErrNotFound):
		return &Error{Text: "no such message", Err: err}
	case errors.Is(err, mailbox.ErrAuthFailed), errors.Is(err, mailbox.ErrNoSuchUser):
		// One answer for an unknown user and a wrong password: anything more
		// would be an oracle.
		return &Error{Code: CodeAuth, Text: "authentication failed", Err: err}
	case errors.Is(err, mailbox.ErrInUse):
		return &Error{Code: CodeInUse, Text: "maildrop in use", Err: err}
	case errors.Is(err, mailbox.ErrPermanent):
		return &Error{Code: CodePermanent, Text: "cannot do that, please tell the administrator", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTemporary, Text: "this takes too long, try again later", Err: err}
	}
	return &Error{Code: CodeTemporary, Text: "temporary failure, try again later", Err: err}
}

// maxResponseLine is the longest first line of a response in octets, CRLF
// included (RFC 2449 section 4), and the longest capability (section 5).
const maxResponseLine = 512

// line returns the whole status line of the error, CRLF included. Nothing that
// a host or a store says can break out of the line.
func (e *Error) line() string {
	var line strings.Builder
	line.WriteString("-ERR ")
	if e.Code != "" {
		line.WriteString("[" + printable(string(e.Code)) + "] ")
	}
	line.WriteString(printable(e.Text))
	return fitted(line.String()) + "\r\n"
}

// fitted cuts text to what a response line may have before its CRLF.
func fitted(text string) string {
	if len(text) > maxResponseLine-2 {
		text = strings.ToValidUTF8(text[:maxResponseLine-2], "")
	}
	return strings.TrimRight(text, " ")
}

// printable leaves out control characters, CR and LF above all.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

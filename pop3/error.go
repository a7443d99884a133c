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
	CodePermanent  ResponseCode = "SYS/PERM"    // an administrator must act (RFC 3206)
)

// Error is an -ERR in a host's own words. Any other error of a host is answered
// with a fixed text; the package comment has the map.
type Error struct {
	// Code may be empty.
	Code ResponseCode

	// Text is for people. Control characters and what is not UTF-8 are left
	// out, and a text that is too long for a response line is cut.
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

// mistake is an error of the client. Too many in a row end the connection.
type mistake string

func (m mistake) Error() string { return string(m) }

// toReply maps any error to the answer that the client gets.
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
		// One answer for both: it must not show which users there are.
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

// line returns the status line of the error, its CRLF included. No text of a
// host or a store can break out of it.
func (e *Error) line() string {
	var line strings.Builder
	line.WriteString("-ERR ")
	if e.Code != "" {
		line.WriteString("[" + printable(string(e.Code)) + "] ")
	}
	line.WriteString(printable(e.Text))
	return fitted(line.String()) + "\r\n"
}

// fitted cuts text to the longest that a response line may be before its CRLF.
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

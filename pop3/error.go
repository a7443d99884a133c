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

	// Err is the cause, for the log. It may be nil. At a login, an error that
	// [errors.Is] finds to be [mailbox.ErrAuthFailed] or
	// [mailbox.ErrNoSuchUser] counts as a failed try, whatever the answer is.
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

// mistake is an error of the client: a command that breaks the grammar, or
// comes in the wrong state. Too many in a row end the connection.
type mistake string

func (m mistake) Error() string { return string(m) }

// impossible is why a command that is well formed cannot be done.
type impossible string

func (i impossible) Error() string { return string(i) }

// moment is what a host was asked for when it returned an error. The same error
// may need another answer at another moment.
type moment uint8

const (
	atGreeting moment = iota // a session
	atLogin                  // a login: the credentials, the mailbox, the listing
	atMessage                // a message: RETR, TOP
	atSize                   // a size: STAT, LIST
	atQuit                   // the removal of the marked messages
	atCommand                // a command of the host's own
)

// fixedReplies are the answers to the errors of a host, by moment; the first
// row that fits counts. What is in no row is SYS/TEMP. The package comment has
// the same table.
var fixedReplies = []struct {
	err     error
	moments []moment
	reply   Error
}{
	{mailbox.ErrAuthFailed, []moment{atLogin}, Error{Code: CodeAuth, Text: "authentication failed"}},
	// One answer for both: it must not show which users there are.
	{mailbox.ErrNoSuchUser, []moment{atLogin}, Error{Code: CodeAuth, Text: "authentication failed"}},
	{mailbox.ErrInUse, []moment{atLogin}, Error{Code: CodeInUse, Text: "maildrop in use"}},
	{mailbox.ErrNotFound, []moment{atMessage, atSize, atCommand}, Error{Text: "no such message"}},
	{mailbox.ErrPermanent, []moment{atGreeting, atLogin, atMessage, atSize, atCommand},
		Error{Code: CodePermanent, Text: "cannot do that, please tell the administrator"}},
	{mailbox.ErrPermanent, []moment{atQuit}, Error{Code: CodePermanent, Text: "deleted messages may not have been removed"}},
	{context.DeadlineExceeded, []moment{atGreeting, atLogin, atMessage, atSize, atCommand},
		Error{Code: CodeTemporary, Text: "this takes too long, try again later"}},
}

// reply maps an error of a host to the answer that the client gets.
func reply(err error, at moment) *Error {
	var worded *Error
	if errors.As(err, &worded) {
		return worded
	}
	for _, row := range fixedReplies {
		for _, moment := range row.moments {
			if moment == at && errors.Is(err, row.err) {
				answer := row.reply
				answer.Err = err
				return &answer
			}
		}
	}
	text := "temporary failure, try again later"
	if at == atQuit {
		text = "deleted messages may not have been removed"
	}
	return &Error{Code: CodeTemporary, Text: text, Err: err}
}

// isWrongLogin reports whether an error of a host means that the credentials
// are wrong, in whatever words the client is told.
func isWrongLogin(err error) bool {
	return isUnknown(err) || reply(err, atLogin).Code == CodeAuth
}

// isUnknown reports whether an authenticator says that the credentials are wrong,
// or the user unknown.
func isUnknown(err error) bool {
	return errors.Is(err, mailbox.ErrAuthFailed) || errors.Is(err, mailbox.ErrNoSuchUser)
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

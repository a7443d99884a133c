package pop3client

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

var (
	// ErrInsecure is the error of a login that would send a secret over a
	// connection without TLS. Nothing has been sent.
	ErrInsecure = errors.New("a password over a connection without TLS: use DialTLS, StartTLS or Options.AllowInsecureAuth")

	// ErrBusy is the error of a command that comes while an answer, or the rest
	// of a message, has not been read. The connection stays usable.
	ErrBusy = errors.New("the answer before it has not been read")

	// ErrTooLarge is the error of an answer that is beyond a limit of
	// [Options].
	ErrTooLarge = errors.New("beyond a limit of Options")

	// ErrClosed is the error of a client that was closed, or whose connection
	// was handed over.
	ErrClosed = errors.New("the client is closed")
)

// Error is an -ERR: an answer, after which the connection can be used.
//
// [errors.Is] finds [mailbox.ErrAuthFailed], [mailbox.ErrInUse] or
// [mailbox.ErrPermanent] in one with the code that a [pop3.Server] has for it,
// so that a gateway passes it on as what it is.
type Error struct {
	// Code is in upper case, without its brackets: a constant of package pop3,
	// or another (RFC 2449 section 8, RFC 3206). It is empty if there is none.
	Code pop3.ResponseCode

	// Text is for people, and may be anything that is one line.
	Text string
}

func (e *Error) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("-ERR %q", e.Text)
	}
	return fmt.Sprintf("-ERR [%s] %q", e.Code, e.Text)
}

// Is reports whether the response code means target.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case pop3.CodeAuth:
		return target == mailbox.ErrAuthFailed
	case pop3.CodeInUse:
		return target == mailbox.ErrInUse
	case pop3.CodePermanent:
		return target == mailbox.ErrPermanent
	}
	return false
}

// ProtocolError is something that no POP3 server may send. It ends the
// connection, since what comes next could be anything.
type ProtocolError struct {
	// Reason is what is wrong.
	Reason string

	// Line is what the server sent, or the beginning of it.
	Line string

	// Err is [io.ErrUnexpectedEOF] if the line was cut off, and otherwise nil.
	Err error
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("the server breaks the protocol: %s: %q", e.Reason, e.Line)
}

// Unwrap returns Err.
func (e *ProtocolError) Unwrap() error { return e.Err }

// maxShown is how much of a wrong line an error keeps, in octets.
const maxShown = 200

func protocolError(reason string, line []byte) *ProtocolError {
	return &ProtocolError{Reason: reason, Line: string(line[:min(len(line), maxShown)])}
}

func cutOff(line []byte) *ProtocolError {
	e := protocolError("a line is cut off", line)
	e.Err = io.ErrUnexpectedEOF
	return e
}

// wrap says what an error is about.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pop3client: %s: %w", what, err)
}

// parseStatus reads a status line (RFC 1939 section 3): it returns what follows
// +OK, or an *Error.
func parseStatus(line []byte) (text string, err error) {
	status, rest, _ := strings.Cut(string(line), " ")
	switch status {
	case "+OK":
		return rest, nil
	case "-ERR":
		code, text := cutCode(rest)
		return "", &Error{Code: code, Text: text}
	}
	return "", protocolError("neither +OK nor -ERR", line)
}

// cutCode cuts the response code from the text of a status line (RFC 2449
// section 8). Brackets around anything else belong to the text.
func cutCode(text string) (pop3.ResponseCode, string) {
	inside, opened := strings.CutPrefix(text, "[")
	code, rest, closed := strings.Cut(inside, "]")
	wrong := func(r rune) bool { return r <= ' ' || r == '[' || r > '~' }
	if !opened || !closed || code == "" || strings.ContainsFunc(code, wrong) || rest != "" && rest[0] != ' ' {
		return "", text
	}
	return pop3.ResponseCode(strings.ToUpper(code)), strings.TrimPrefix(rest, " ")
}

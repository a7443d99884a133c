package pop3client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Mechanism is the client's side of a SASL mechanism (RFC 4422). The client of
// github.com/emersion/go-sasl is one.
type Mechanism interface {
	// Start returns the name of the mechanism and the initial response, which
	// is nil if there is none.
	Start() (name string, initial []byte, err error)

	// Next answers a challenge. An error breaks the login off.
	Next(challenge []byte) (response []byte, err error)
}

// Plain is the mechanism PLAIN (RFC 4616). Identity is the user to act for, and
// empty if that is the user who logs in.
func Plain(identity, user, password string) Mechanism {
	return plain{identity, user, password}
}

type plain struct{ identity, user, password string }

func (p plain) Start() (string, []byte, error) {
	message := strings.Join([]string{p.identity, p.user, p.password}, "\x00")
	if strings.Count(message, "\x00") != 2 {
		return "", nil, errors.New("NUL in a user name or a password")
	}
	return "PLAIN", []byte(message), nil
}

func (plain) Next([]byte) ([]byte, error) {
	return nil, errors.New("PLAIN has no challenge")
}

// maxCommand is the longest command in octets, CRLF included (RFC 2449 section
// 4). A longer initial response goes on a line of its own (RFC 5034 section 4).
const maxCommand = 255

var mechanismName = regexp.MustCompile(`^[A-Z0-9_-]{1,20}$`)

// Auth logs in by a SASL mechanism (RFC 5034). Without TLS the error is
// [ErrInsecure], unless Options.AllowInsecureAuth is set or the mechanism shows
// nobody who listens the secret: SCRAM, CRAM-MD5, EXTERNAL, GSSAPI, ANONYMOUS.
func (c *Client) Auth(ctx context.Context, m Mechanism) error {
	name, initial, err := m.Start()
	switch {
	case err != nil:
	case !mechanismName.MatchString(name):
		err = fmt.Errorf("%q is not the name of a mechanism", name)
	case disclosesSecret(name) && !c.IsTLS() && !c.options.AllowInsecureAuth:
		err = ErrInsecure
	default:
		err = c.exchange(ctx, m, name, initial)
	}
	return wrap("AUTH", c.loggedIn(err))
}

// disclosesSecret reports whether somebody who listens learns enough to log in
// later. A mechanism that is not known to be safe counts as unsafe.
func disclosesSecret(mechanism string) bool {
	safe := []string{"ANONYMOUS", "CRAM-MD5", "EXTERNAL", "GSSAPI"}
	return !slices.Contains(safe, mechanism) && !strings.HasPrefix(mechanism, "SCRAM-")
}

// exchange runs a mechanism to its end.
func (c *Client) exchange(ctx context.Context, m Mechanism, name string, initial []byte) error {
	if err := c.idle(ctx); err != nil {
		return err
	}
	line := "AUTH " + name
	inline := line + " " + encodeInitial(initial)
	held := initial != nil && len(inline)+len("\r\n") > maxCommand
	if initial != nil && !held {
		line = inline
	}
	for {
		if err := c.send(ctx, line); err != nil {
			return err
		}
		challenge, more, err := c.challenge(ctx)
		switch {
		case err == nil && held && (!more || len(challenge) > 0):
			return c.fail(protocolError("the initial response is not asked for", challenge))
		case err != nil || !more:
			return err
		}
		response := initial
		if !held {
			if response, err = m.Next(challenge); err != nil {
				return c.cancel(ctx, err)
			}
		}
		held = false
		line = base64.StdEncoding.EncodeToString(response)
	}
}

// encodeInitial encodes an initial response. One that is empty is a lone "="
// (RFC 5034 section 4).
func encodeInitial(response []byte) string {
	if len(response) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(response)
}

// challenge reads an answer within an exchange: a challenge, after which there
// is more to say, or a status. A challenge that is empty may lack its blank,
// as Exchange sends it.
func (c *Client) challenge(ctx context.Context) (challenge []byte, more bool, err error) {
	line, err := c.answer(ctx)
	if err != nil {
		return nil, false, err
	}
	text := string(line)
	if text != "+" && !strings.HasPrefix(text, "+ ") {
		_, err := parseStatus(line)
		if errors.As(err, new(*ProtocolError)) {
			c.fail(err)
		}
		return nil, false, err
	}
	text = strings.TrimPrefix(text[1:], " ")
	challenge, err = base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.Contains(text, "\r") { // which the decoder passes over
		return nil, false, c.fail(protocolError("a challenge that is not base64", line))
	}
	return challenge, true, nil
}

// cancel breaks an exchange off because of an error, which it returns (RFC 5034
// section 4).
func (c *Client) cancel(ctx context.Context, cause error) error {
	if err := c.send(ctx, "*"); err != nil {
		return fmt.Errorf("%w, and then %w", cause, err)
	}
	_, err := c.status(ctx)
	if err == nil {
		return c.fail(fmt.Errorf("%w, and then the server logs in a client that has broken off", cause))
	}
	if !errors.As(err, new(*Error)) {
		return fmt.Errorf("%w, and then %w", cause, err)
	}
	return cause
}

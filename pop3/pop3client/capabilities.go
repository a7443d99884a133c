package pop3client

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Capabilities are what a server can do in its present state (RFC 2449): the
// arguments of each capability, by its name in upper case.
type Capabilities map[string][]string

// Capabilities asks for the capabilities, by CAPA. They can be others after
// [Client.StartTLS] and after a login. A server that is older than CAPA answers
// with an [*Error].
func (c *Client) Capabilities(ctx context.Context) (Capabilities, error) {
	found := Capabilities{}
	_, err := c.ask(ctx, "CAPA")
	if err == nil {
		err = c.lines(ctx, found.add)
	}
	if err != nil {
		return nil, wrap("CAPA", err)
	}
	c.capabilities = found
	return found, nil
}

func (c Capabilities) add(line []byte) error {
	words := strings.Fields(string(line))
	if len(words) == 0 {
		return protocolError("a capability without a name", line)
	}
	name := strings.ToUpper(words[0])
	c[name] = append(c[name], words[1:]...)
	return nil
}

// Has reports whether the server has a capability, in any case: "TOP".
func (c Capabilities) Has(name string) bool {
	_, has := c[strings.ToUpper(name)]
	return has
}

// SASL returns the mechanisms that [Client.Auth] may use, in upper case.
func (c Capabilities) SASL() []string {
	return strings.Fields(strings.ToUpper(strings.Join(c["SASL"], " ")))
}

// LoginDelay returns how long a client must wait between two logins, if the
// server says so (RFC 2449 section 6.5).
func (c Capabilities) LoginDelay() (time.Duration, bool) {
	seconds, ok := c.number("LOGIN-DELAY")
	return time.Duration(seconds) * time.Second, ok
}

// ExpireNever is the days of a server that keeps messages for ever.
const ExpireNever = -1

// Expire returns how many days the server keeps messages, if it says so (RFC
// 2449 section 6.7). 0 means that a message may be gone after its session.
func (c Capabilities) Expire() (days int, ok bool) {
	if words := c["EXPIRE"]; len(words) > 0 && strings.EqualFold(words[0], "NEVER") {
		return ExpireNever, true
	}
	return c.number("EXPIRE")
}

// number returns the first argument of a capability, if that is a number.
func (c Capabilities) number(name string) (int, bool) {
	words := c[name]
	if len(words) == 0 {
		return 0, false
	}
	n, err := strconv.ParseUint(words[0], 10, 31)
	return int(n), err == nil
}

// Implementation returns what the server says that it is, or "" (RFC 2449
// section 6.9).
func (c Capabilities) Implementation() string {
	return strings.Join(c["IMPLEMENTATION"], " ")
}

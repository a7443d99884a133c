package mailbox

import (
	"fmt"
	"log/slog"
	"net"
)

// Login is the user that opens a mailbox, and how the client proved it. A
// Login that is printed, logged or encoded shows no secret, with one exception:
// package fmt calls no methods of unexported fields, so do not print a struct
// that has a Login in one.
type Login struct {
	// User is the name of the user. The store makes it canonical.
	User string

	// Mechanism is how the client proved itself: "USER" for USER and PASS,
	// "APOP", or the SASL mechanism ("PLAIN").
	Mechanism string

	// AuthorizationID is the identity that the client asked to act as (RFC
	// 4616), empty if it asked for its own.
	AuthorizationID string

	// Password and Token are what the client sent, for hosts that pass them on
	// to another server. They are empty if the mechanism does not disclose them.
	Password string
	Token    string

	// Remote and Local are the two ends of the connection. They may be nil.
	Remote net.Addr
	Local  net.Addr

	// TLS reports whether the connection is encrypted.
	TLS bool
}

// String shows the login without its secrets.
func (l Login) String() string {
	remote := "-"
	if l.Remote != nil {
		remote = l.Remote.String()
	}
	return fmt.Sprintf("user=%q mechanism=%s remote=%s tls=%t", l.User, l.Mechanism, remote, l.TLS)
}

// GoString shows the login without its secrets, for %#v.
func (l Login) GoString() string { return "mailbox.Login{" + l.String() + "}" }

// Format shows the login without its secrets, for every verb.
func (l Login) Format(f fmt.State, _ rune) { fmt.Fprint(f, l.String()) }

// LogValue shows the login without its secrets to log/slog.
func (l Login) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("user", l.User),
		slog.String("mechanism", l.Mechanism),
		slog.Any("remote", l.Remote),
		slog.Bool("tls", l.TLS),
	)
}

// MarshalText shows the login without its secrets to encoders (JSON among
// them).
func (l Login) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

package mailbox

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
)

// Login is the user that opens a mailbox, and how the client proved it. A
// Login that is printed, logged or encoded shows no secret, with one exception:
// package fmt calls no methods of unexported fields, so do not print a struct
// that has a Login in one.
type Login struct {
	// User is the name of the user. The store makes it canonical.
	User string

	// Mechanism is how the client proved itself: "USER" for USER and PASS,
	// "APOP", or the SASL mechanism ("PLAIN", "SCRAM-SHA-256-PLUS").
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

	// TLS is the state of TLS on the connection, with the name that the client
	// asked for (SNI) and its certificates. nil means that the connection is in
	// the clear. It must not be changed.
	TLS *tls.ConnectionState
}

// String shows the login without its secrets.
func (l Login) String() string {
	return fmt.Sprintf("user=%q mechanism=%s remote=%s tls=%t", l.shortUser(), l.Mechanism, l.remote(), l.TLS != nil)
}

// shortUser is the name, cut to the longest that a user can have: a client may
// send anything.
func (l Login) shortUser() string {
	return strings.ToValidUTF8(l.User[:min(len(l.User), MaxUserLength)], "")
}

func (l Login) remote() string {
	if l.Remote == nil {
		return "-"
	}
	return l.Remote.String()
}

// GoString shows the login without its secrets, for %#v.
func (l Login) GoString() string { return "mailbox.Login{" + l.String() + "}" }

// Format shows the login without its secrets, for every verb.
func (l Login) Format(f fmt.State, _ rune) { fmt.Fprint(f, l.String()) }

// LogValue shows the login without its secrets to log/slog.
func (l Login) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("user", l.shortUser()),
		slog.String("mechanism", l.Mechanism),
		slog.String("remote", l.remote()),
		slog.Bool("tls", l.TLS != nil),
	)
}

// MarshalText shows the login without its secrets to encoders (JSON among
// them).
func (l Login) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

package pop3

import "github.com/popcask/popcask/internal/netserver"

var (
	errTooManyConnections = &Error{Code: CodeTemporary, Text: "too many connections, try again later"}
	errTooManyFromAddress = &Error{Code: CodeTemporary, Text: "too many connections from your address, try again later"}
	errDisplaced          = &Error{Code: CodeTemporary, Text: "too many connections before the login, this one made room"}
)

// fromDoor is why the door turned a connection away, as the client is told.
func fromDoor(err error) error {
	switch err {
	case netserver.ErrTooMany:
		return errTooManyConnections
	case netserver.ErrTooManyOfAddress:
		return errTooManyFromAddress
	}
	return ErrServerClosed
}

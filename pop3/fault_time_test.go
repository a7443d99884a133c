package pop3_test

import "time"

// noDeadline is the deadline that a connection never reaches.
var noDeadline time.Time

package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/auth"
)

// users are the users that have a mailbox: who logs in, and who gets mail.
type users interface {
	pop3.Authenticator
	mailbox.Directory
}

const demo = "demo"

// openUsers returns the users of -users, the demo user alone without it, and
// what reads them again.
func (o options) openUsers(log *slog.Logger) (u users, again func(), err error) {
	if o.users == "" {
		u, err = auth.ParseUsers(strings.NewReader(demo + ":" + demo))
		return u, func() {}, err
	}
	file, err := auth.OpenFile(log, o.users)
	if err != nil {
		return nil, nil, fmt.Errorf("-users: %w", err)
	}
	return file, file.Again, nil
}

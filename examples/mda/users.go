package main

import (
	"context"
	"crypto"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/users"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/auth"
)

// userBase is the users that have a mailbox: who logs in, and who gets mail.
type userBase interface {
	pop3.Authenticator
	mailbox.Directory
}

const demo = "demo"

// openUsers returns the users of -users, the demo user alone without it, and
// what reads them again. Those of -users-table are in the store.
func (o options) openUsers(log *slog.Logger) (base userBase, again func(), err error) {
	switch {
	case o.usersTable:
		return nil, func() {}, nil
	case o.users == "":
		base, err = auth.ParseUsers(strings.NewReader(demo + ":" + demo))
		return base, func() {}, err
	}
	file, err := auth.OpenFile(log, o.users)
	if err != nil {
		return nil, nil, fmt.Errorf("-users: %w", err)
	}
	return file, file.Again, nil
}

// openUsersTable returns the users of a store's keyspace. mda user makes keys for
// both hashes.
func openUsersTable(ctx context.Context, store *cassandra.Store) (*users.Users, error) {
	u, err := users.New(ctx, store.Session(), users.Options{SCRAM: []crypto.Hash{crypto.SHA256, crypto.SHA1}})
	if err != nil {
		return nil, fmt.Errorf("%w (mda user makes the table)", err)
	}
	return u, nil
}

// brake is the brake of logins. Passwords are hashed in this process; and a user
// of the file may log in as any address with its name before the @, which is one
// user to the brake too. In the table each address is a user of its own.
func (o options) brake() *pop3.LocalBrake {
	brake := &pop3.LocalBrake{MaxChecks: 2 * runtime.GOMAXPROCS(0)}
	if !o.usersTable {
		brake.Name = withoutDomain
	}
	return brake
}

func withoutDomain(user string) string {
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		return user[:at]
	}
	return user
}

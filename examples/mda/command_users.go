package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"slices"

	"github.com/popcask/popcask/cassandra/users"
)

const usersUsage = `Usage: mda users [flags]

Lists the users and the aliases of the table that mda -users-table reads, in the
order of their names.
`

// usersJob is mda users.
type usersJob struct{}

func (*usersJob) flags(*flag.FlagSet) {}
func (*usersJob) check() error        { return nil }

func (*usersJob) run(ctx context.Context, c *call) (left int, err error) {
	table, err := openUsersTable(ctx, c.store)
	if err != nil {
		return 0, err
	}
	all := make(map[string]users.User)
	for user, err := range table.List(ctx) {
		if err != nil {
			return 0, err
		}
		all[user.Name] = user
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		user := all[name]
		what := user.Forms
		switch {
		case user.AliasOf != "":
			what = "alias of " + user.AliasOf
		case user.Disabled:
			what += ", disabled"
		}
		c.say(user, "%s: %s", name, what)
	}
	if len(all) == 0 && !c.asJSON {
		fmt.Fprintln(c.stderr, "no users: mda user -user NAME -set makes one")
	}
	return 0, nil
}

package main

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/popcask/popcask/cassandra/users"
	"github.com/popcask/popcask/mailbox/secret"
)

const userUsage = `Usage: mda user -user NAME ACTION [flags] [<FILE]

Changes a user or an alias of the table that mda -users-table reads. The table is
made unless it exists. If a data centre cannot be reached, the change is made in
the others, which is said, and that one follows when it is back.

  mda user -user bob@example.org -set <password.txt

  -user NAME         the user, or the name of the alias

  -set               give the user a password, which is one line of standard
                     input: a new user, or one that there is. At a terminal the
                     password is visible
  -import            the same, with a secret as mda hash and others write it
  -disable           let no login of the user succeed; its mail is still taken
  -enable            undo -disable
  -alias-of USER     make the name an alias of a user: its mail is the user's
  -no-alias          end the alias
`

// userJob is mda user.
type userJob struct {
	in                                     io.Reader
	user, aliasOf                          string
	set, imports, disable, enable, noAlias bool
}

func (j *userJob) flags(flags *flag.FlagSet) {
	flags.StringVar(&j.user, "user", "", "")
	flags.BoolVar(&j.set, "set", false, "")
	flags.BoolVar(&j.imports, "import", false, "")
	flags.BoolVar(&j.disable, "disable", false, "")
	flags.BoolVar(&j.enable, "enable", false, "")
	flags.StringVar(&j.aliasOf, "alias-of", "", "")
	flags.BoolVar(&j.noAlias, "no-alias", false, "")
}

func (j *userJob) check() error {
	actions := 0
	for _, is := range []bool{j.set, j.imports, j.disable, j.enable, j.aliasOf != "", j.noAlias} {
		if is {
			actions++
		}
	}
	switch {
	case j.user == "":
		return usagef("-user is missing")
	case actions != 1:
		return usagef("one of -set, -import, -disable, -enable, -alias-of and -no-alias is wanted")
	}
	return nil
}

func (j *userJob) run(ctx context.Context, c *call) (left int, err error) {
	if err := users.Migrate(ctx, c.store.Session()); err != nil {
		return 0, err
	}
	table, err := openUsersTable(ctx, c.store)
	if err != nil {
		return 0, err
	}
	everywhere, err := j.change(ctx, c, table)
	if err != nil {
		return 0, err
	}
	result := "done"
	if !everywhere {
		result = "done in this data centre; another one cannot be reached, and follows when it is back"
	}
	c.say(map[string]bool{"everywhere": everywhere}, "%s", result)
	return 0, nil
}

func (j *userJob) change(ctx context.Context, c *call, table *users.Users) (everywhere bool, err error) {
	switch {
	case j.disable:
		return table.Disable(ctx, j.user)
	case j.enable:
		return table.Enable(ctx, j.user)
	case j.aliasOf != "" || j.noAlias:
		return table.SetAlias(ctx, j.user, j.aliasOf)
	}
	line, err := readSecretLine(j.in, c.stderr)
	if err != nil {
		return false, err
	}
	s, err := secret.Parse(line)
	if j.set {
		s, err = (&hashJob{scheme: bothSCRAM, iterations: secret.DefaultIterations}).secret(line)
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", j.user, err)
	}
	return table.Set(ctx, j.user, s)
}

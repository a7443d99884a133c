package main

import (
	"context"
	"flag"
	"fmt"
)

const emptyUsage = `Usage: mda empty -user NAME [flags]

Removes all messages from a mailbox, as its user would with DELE and QUIT. Mail that
comes at the same time stays.

  -user NAME         the user whose mailbox it is
  -yes               remove them; without it the numbers of messages and octets
                     are printed, and nothing is changed
`

// emptyJob is mda empty.
type emptyJob struct {
	user string
	yes  bool
}

func (j *emptyJob) flags(flags *flag.FlagSet) {
	flags.StringVar(&j.user, "user", "", "")
	flags.BoolVar(&j.yes, "yes", false, "")
}

func (j *emptyJob) check() error {
	if j.user == "" {
		return usagef("-user is missing")
	}
	return nil
}

func (j *emptyJob) run(ctx context.Context, c *call) (left int, err error) {
	do := c.store.Measure
	if j.yes {
		do = c.store.Empty
	}
	found, err := do(ctx, j.user)
	if err != nil {
		return 0, err
	}
	c.usage(found)
	switch {
	case j.yes && found.Messages > 0 && !c.asJSON:
		fmt.Fprintln(c.stdout, "removed")
	case !j.yes && found.Messages > 0:
		if !c.asJSON {
			fmt.Fprintln(c.stdout, "nothing was changed: -yes does it")
		}
		return found.Messages, nil
	}
	return 0, nil
}

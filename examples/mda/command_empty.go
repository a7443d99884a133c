package main

import (
	"context"
	"flag"
	"fmt"
)

const emptyUsage = `Usage: mda empty -user NAME [flags]

Removes all messages of a mailbox, as the user would with DELE and QUIT. Without
-yes it says what there is. Mail that comes meanwhile stays.

  -user NAME         whose mailbox
  -yes               do it
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
		return usagef("whose? -user NAME")
	}
	return nil
}

func (j *emptyJob) run(ctx context.Context, c *call) (left int, err error) {
	do := c.store.Measure
	if j.yes {
		do = c.store.Empty
	}
	usage, err := do(ctx, j.user)
	if err != nil {
		return 0, err
	}
	c.usage(usage)
	switch {
	case j.yes && usage.Messages > 0 && !c.asJSON:
		fmt.Fprintln(c.stdout, "removed")
	case !j.yes && usage.Messages > 0:
		if !c.asJSON {
			fmt.Fprintln(c.stdout, "nothing was changed: -yes does it")
		}
		return usage.Messages, nil
	}
	return 0, nil
}

package main

import (
	"context"
	"flag"
)

const rebuildUsage = `Usage: mda rebuild [flags]

Lists again what is in the mailboxes and not on their lists, for when the table of
the projection was lost. What was removed, or is marked to be, stays off. It may
run beside deliveries and sessions, and again at any time; it can be broken off
and resumed.

  -user NAME         one mailbox only
` + scanUsage

// rebuildJob is mda rebuild.
type rebuildJob struct {
	scanFlags
	user string
}

func (j *rebuildJob) flags(flags *flag.FlagSet) {
	j.scanFlags.add(flags)
	flags.StringVar(&j.user, "user", "", "")
}

func (j *rebuildJob) run(ctx context.Context, c *call) (left int, err error) {
	var listed int
	if j.user != "" {
		listed, err = c.store.Rebuild(ctx, j.user)
	} else {
		p, failed := j.through(ctx, c, c.store.RebuildAll)
		listed, err = p.Mended, failed
	}
	if err != nil {
		return 0, err
	}
	c.say(map[string]int{"listed": listed}, "%d messages listed again", listed)
	return 0, nil
}

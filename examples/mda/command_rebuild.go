package main

import (
	"context"
	"flag"

	"github.com/popcask/popcask/cassandra"
)

const rebuildUsage = `Usage: mda rebuild [flags]

Lists again what is in the mailboxes but not in their listings, for a store that
has lost the table of the projection. What was removed, or is marked as removed,
is not listed. It may run at the same time as deliveries and sessions, and more
than once; it can be interrupted with ^C, or killed, and resumed.

  -user NAME         this mailbox only
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

func (j *rebuildJob) check() error { return j.checkUser(j.user) }

func (j *rebuildJob) run(ctx context.Context, c *call) (left int, err error) {
	var p cassandra.Progress
	if j.user != "" {
		p.Mended, err = c.store.Rebuild(ctx, j.user)
	} else {
		p, err = j.runScan(ctx, c, c.store.RebuildAll)
	}
	if err != nil {
		return 0, err
	}
	c.say(map[string]int{"listed": p.Mended}, "%d messages listed again", p.Mended)
	return 0, skipped(p)
}

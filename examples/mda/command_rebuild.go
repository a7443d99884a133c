package main

import (
	"context"
	"flag"

	"github.com/popcask/popcask/cassandra"
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

func (j *rebuildJob) check() error { return j.checkUser(j.user) }

func (j *rebuildJob) run(ctx context.Context, c *call) (left int, err error) {
	var p cassandra.Progress
	if j.user != "" {
		p.Mended, err = c.store.Rebuild(ctx, j.user)
	} else {
		p, err = j.through(ctx, c, c.store.RebuildAll)
	}
	if err != nil {
		return 0, err
	}
	c.say(map[string]int{"listed": p.Mended}, "%d messages listed again", p.Mended)
	return 0, unseen(p)
}

package main

import (
	"context"
	"flag"

	"github.com/popcask/popcask/cassandra"
)

const orphansUsage = `Usage: mda orphans [flags]

Finds content that is in no mailbox. It is left by a delivery that failed and could
not be undone, or by a removal of which the cluster has forgotten a part. Without
-yes nothing is changed. Restore first, read the mail, then purge what is not
wanted.

  -restore           put content that is complete back into its mailbox. A message
                     that was removed within gc_grace_seconds stays removed; one
                     that was removed before that may come back
  -purge             with -confirm: delete what is older than gc_grace_seconds
  -confirm DURATION  with -purge: wait this long and look again before deleting;
                     1h is safe
  -yes               do what -restore or -purge says
` + scanUsage

// orphansJob is mda orphans.
type orphansJob struct {
	scanFlags
	restore, purge, yes bool
}

func (j *orphansJob) flags(flags *flag.FlagSet) {
	j.scanFlags.add(flags)
	flags.BoolVar(&j.restore, "restore", false, "")
	flags.BoolVar(&j.purge, "purge", false, "")
	flags.BoolVar(&j.yes, "yes", false, "")
	flags.DurationVar(&j.scan.Confirm, "confirm", 0, "")
}

func (j *orphansJob) check() error {
	switch {
	case j.restore && j.purge:
		return usagef("-restore and -purge exclude each other")
	case j.yes && !j.restore && !j.purge:
		return usagef("-yes needs -restore or -purge")
	case j.purge && j.scan.Confirm <= 0:
		return usagef("-purge needs -confirm")
	}
	return j.scanFlags.check()
}

func (j *orphansJob) run(ctx context.Context, c *call) (left int, err error) {
	j.scan.Only = cassandra.Orphan
	scan := c.store.VerifyAll
	if j.yes {
		scan = c.store.RepairAll
		j.scan.Orphans = cassandra.RestoreOrphans
		if j.purge {
			j.scan.Orphans = cassandra.PurgeOrphans
		}
	}
	p, err := j.runScan(ctx, c, scan)
	if err != nil {
		return 0, err
	}
	return j.end(c, p, !j.yes && (j.restore || j.purge))
}

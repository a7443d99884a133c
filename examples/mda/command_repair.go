package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/popcask/popcask/cassandra"
)

const verifyUsage = `Usage: mda verify [flags]

Compares the mailboxes of a Cassandra store, their listings and the content with
each other, in every data centre. It changes nothing. It can be interrupted with
^C, or killed, and resumed.

  -user NAME         this mailbox only; content that is in no mailbox is not
                     looked for
` + scanUsage

const repairUsage = `Usage: mda repair [flags]

Finds what mda verify finds, and with -yes mends it. What comes or goes at the same
time is left alone, and so is mail that is younger than an hour, except that a
removal which has begun is finished. It can be interrupted with ^C, or killed, and
resumed. Content that is in no mailbox is only reported: see mda orphans -h.

  -yes               mend; without it nothing is changed
  -user NAME         this mailbox only; content that is in no mailbox is not
                     looked for
  -confirm DURATION  before something is removed for good because its content is
                     in no data centre, wait this long and look again; 1h is safe,
                     0 leaves it as it is (0s)
  -remove-incomplete with -confirm: remove messages whose content is not complete
                     in any data centre; their delivery was never acknowledged
` + scanUsage

// repairJob is mda verify and mda repair.
type repairJob struct {
	scanFlags
	repair, yes bool
	user        string
}

func (j *repairJob) flags(flags *flag.FlagSet) {
	j.scanFlags.add(flags)
	flags.StringVar(&j.user, "user", "", "")
	if j.repair {
		flags.BoolVar(&j.yes, "yes", false, "")
		flags.DurationVar(&j.scan.Confirm, "confirm", 0, "")
		flags.BoolVar(&j.scan.RemoveIncomplete, "remove-incomplete", false, "")
	}
}

func (j *repairJob) check() error {
	if j.scan.RemoveIncomplete && j.scan.Confirm <= 0 {
		return usagef("-remove-incomplete needs -confirm")
	}
	return j.checkUser(j.user)
}

func (j *repairJob) run(ctx context.Context, c *call) (left int, err error) {
	var p cassandra.Progress
	switch {
	case j.user != "":
		p, err = j.one(ctx, c)
	case j.yes:
		p, err = j.runScan(ctx, c, c.store.RepairAll)
	default:
		p, err = j.runScan(ctx, c, c.store.VerifyAll)
	}
	if err != nil {
		return 0, err
	}
	return j.end(c, p, j.repair && !j.yes)
}

// one looks at one mailbox.
func (j *repairJob) one(ctx context.Context, c *call) (cassandra.Progress, error) {
	look := c.store.Verify
	if j.yes {
		look = func(ctx context.Context, user string) (cassandra.Report, error) {
			return c.store.Repair(ctx, user, j.scan.RepairOptions)
		}
	}
	report, err := look(ctx, j.user)
	if err != nil {
		return cassandra.Progress{}, err
	}
	c.report(report)
	if report.Messages == 0 && len(report.Findings) == 0 {
		fmt.Fprintf(c.stderr, "%s has no mail; a name that never got any looks the same\n", report.User)
	}
	return cassandra.Progress{
		Mailboxes: 1, Messages: report.Messages, Findings: len(report.Findings),
		Mended: report.Mended(), Postponed: report.Postponed, Done: 1,
	}, nil
}

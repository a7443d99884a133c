package main

import (
	"context"
	"flag"
	"fmt"
)

const expireUsage = `Usage: mda expire -days N [flags]

Removes the mail of all users that came more than N days ago, as its users would.
The program hides it with -expire N, and removes most of it; this removes the
rest, and what is in mailboxes that nobody opens. Run it once a day, from one
host. It may run at the same time as deliveries and sessions, and more than once;
it can be interrupted with ^C, or killed, and resumed.

  -days N            how many days mail stays: 1 or more
  -yes               remove the mail; without it the number of messages is
                     printed, and nothing is changed
` + scanUsage

// expireJob is mda expire.
type expireJob struct {
	scanFlags
	days *int // -expire, of the store that is opened
	yes  bool
}

func newExpireJob() job {
	j := new(storeJob)
	j.job = &expireJob{days: &j.options.expire}
	return j
}

func (j *expireJob) flags(flags *flag.FlagSet) {
	flags.IntVar(j.days, "days", 0, "")
	flags.BoolVar(&j.yes, "yes", false, "")
	j.scanFlags.add(flags)
}

func (j *expireJob) check() error {
	if err := checkDays("-days", *j.days); err != nil {
		return err
	}
	if *j.days == 0 {
		return usagef("-days is missing")
	}
	return j.scanFlags.check()
}

func (j *expireJob) run(ctx context.Context, c *call) (left int, err error) {
	scan := c.store.CountExpired
	if j.yes {
		scan = c.store.ExpireAll
	}
	p, err := j.runScan(ctx, c, scan)
	if err != nil {
		return 0, err
	}
	c.say(map[string]int{
		"mailboxes": p.Mailboxes, "messages": p.Messages, "old": p.Findings, "removed": p.Mended, "failed": p.Failed,
	}, "%d mailboxes, %d messages: %d older than %d days, %d removed", p.Mailboxes, p.Messages, p.Findings, *j.days, p.Mended)
	if !j.yes && p.Findings > 0 && !c.asJSON {
		fmt.Fprintln(c.stdout, "nothing was changed: -yes does it")
	}
	return p.Findings - p.Mended, skipped(p)
}

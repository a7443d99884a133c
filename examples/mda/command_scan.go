package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/popcask/popcask/cassandra"
)

const scanUsage = `  -rate N            read at most N messages a second, to spare the cluster; 0 for
                     no limit (0)
  -resume PLACE      continue an earlier run at PLACE, which that run printed
`

// scanFlags are the flags of commands that scan all mailboxes.
type scanFlags struct{ scan cassandra.ScanOptions }

func (f *scanFlags) add(flags *flag.FlagSet) {
	flags.IntVar(&f.scan.Rate, "rate", 0, "")
	flags.StringVar(&f.scan.Resume, "resume", "", "")
}

// check rejects numbers that would mean something else to the store.
func (f *scanFlags) check() error {
	switch {
	case f.scan.Rate < 0:
		return usagef("-rate %d is negative", f.scan.Rate)
	case f.scan.Confirm < 0:
		return usagef("-confirm %s is negative", f.scan.Confirm)
	}
	return nil
}

// checkUser is check for a command that can also look at one mailbox only.
func (f *scanFlags) checkUser(user string) error {
	if user != "" && (f.scan.Rate != 0 || f.scan.Resume != "") {
		return usagef("-rate and -resume are for a run through all mailboxes, not for -user")
	}
	return f.check()
}

// runScan scans all mailboxes and reports its progress.
func (f *scanFlags) runScan(ctx context.Context, c *call, scan func(context.Context, cassandra.ScanOptions) (cassandra.Progress, error)) (cassandra.Progress, error) {
	f.scan.Found = c.report
	f.scan.Progress = progressTo(c.stderr)
	p, err := scan(ctx, f.scan)
	if p.Resume != "" && err != nil {
		fmt.Fprintf(c.stderr, "interrupted; continue with -resume %q\n", p.Resume)
	}
	return p, err
}

// end prints the totals of a scan, and returns how many findings are left.
func (f *scanFlags) end(c *call, p cassandra.Progress, dryRun bool) (left int, err error) {
	c.say(map[string]int{
		"mailboxes": p.Mailboxes, "messages": p.Messages, "findings": p.Findings,
		"mended": p.Mended, "postponed": p.Postponed, "failed": p.Failed,
	}, "%d mailboxes, %d messages: %d findings, %d mended, %d postponed", p.Mailboxes, p.Messages, p.Findings, p.Mended, p.Postponed)
	if dryRun && p.Findings > 0 && !c.asJSON {
		fmt.Fprintln(c.stdout, "nothing was changed: -yes does it")
	}
	return p.Findings - p.Mended, skipped(p)
}

// skipped returns an error if the scan could not look at everything.
func skipped(p cassandra.Progress) error {
	if p.Failed > 0 {
		return fmt.Errorf("%d messages or buckets could not be looked at", p.Failed)
	}
	return nil
}

// found is a finding as JSON.
type found struct {
	User    string `json:"user"`
	Mailbox string `json:"mailbox"`
	Kind    string `json:"kind"`
	Message string `json:"message,omitempty"`
	Mended  bool   `json:"mended"`
	Error   string `json:"error,omitempty"`
}

// report prints the findings in a mailbox.
func (c *call) report(r cassandra.Report) {
	for _, f := range r.Findings {
		line := found{User: r.User, Mailbox: r.Mailbox.String(), Kind: string(f.Kind), Mended: f.Mended}
		if f.ID != (cassandra.MessageID{}) {
			line.Message = f.ID.String()
		}
		state := "found"
		if f.Err != nil {
			line.Error = f.Err.Error()
			state = "not mended: " + line.Error
		}
		if line.Mended {
			state = "mended"
		}
		name := r.User
		if name == "" {
			name = line.Mailbox
		}
		c.say(line, "%s: %s %s: %s", name, line.Kind, line.Message, state)
	}
}

// progressTo prints every few seconds how far a scan has come.
func progressTo(w io.Writer) func(cassandra.Progress) {
	const interval = 5 * time.Second
	last := time.Now()
	return func(p cassandra.Progress) {
		if time.Since(last) < interval && p.Done < 1 {
			return
		}
		last = time.Now()
		fmt.Fprintf(w, "%5.1f %%  %d mailboxes, %d messages, %.0f messages a second, %s to go, %d findings (-resume %q)\n",
			100*p.Done, p.Mailboxes, p.Messages, p.Rate, p.Remaining.Round(time.Second), p.Findings, p.Resume)
	}
}

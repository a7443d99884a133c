package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/popcask/popcask/cassandra"
)

const scanUsage = `  -rate N            messages a second, to spare the cluster; 0 for no limit (0)
  -resume WHERE      go on where an earlier run ended, which said where
  -hold N            hold in memory whether the content of so many messages is
                     complete, 10 octets each; with more messages than that the
                     memberships are read several times (8000000)
`

// scanFlags are those of commands that go through everything.
type scanFlags struct{ scan cassandra.ScanOptions }

func (f *scanFlags) add(flags *flag.FlagSet) {
	flags.IntVar(&f.scan.Rate, "rate", 0, "")
	flags.StringVar(&f.scan.Resume, "resume", "", "")
	flags.IntVar(&f.scan.Hold, "hold", 0, "")
}

// check finds what makes no sense, and would mean something else.
func (f *scanFlags) check() error {
	switch {
	case f.scan.Rate < 0:
		return usagef("-rate %d is negative", f.scan.Rate)
	case f.scan.Hold < 0:
		return usagef("-hold %d is negative", f.scan.Hold)
	case f.scan.Confirm < 0:
		return usagef("-confirm %s is negative", f.scan.Confirm)
	}
	return nil
}

// checkUser is check for a command that may go through one mailbox instead.
func (f *scanFlags) checkUser(user string) error {
	if user != "" && (f.scan.Rate != 0 || f.scan.Resume != "" || f.scan.Hold != 0) {
		return usagef("-rate, -resume and -hold are for a run through everything, not for -user")
	}
	return f.check()
}

// through goes through everything, saying how far it is.
func (f *scanFlags) through(ctx context.Context, c *call, scan func(context.Context, cassandra.ScanOptions) (cassandra.Progress, error)) (cassandra.Progress, error) {
	f.scan.Found = c.report
	f.scan.Progress = progressTo(c.stderr)
	p, err := scan(ctx, f.scan)
	if p.Resume != "" && err != nil {
		fmt.Fprintf(c.stderr, "broken off; go on with -resume %q\n", p.Resume)
	}
	return p, err
}

// end says how a scan ended, and returns what is left.
func (f *scanFlags) end(c *call, p cassandra.Progress, dry bool) (left int, err error) {
	c.say(map[string]int{
		"mailboxes": p.Mailboxes, "messages": p.Messages, "findings": p.Findings,
		"mended": p.Mended, "postponed": p.Postponed, "failed": p.Failed,
	}, "%d mailboxes, %d messages: %d findings, %d mended, %d postponed", p.Mailboxes, p.Messages, p.Findings, p.Mended, p.Postponed)
	if dry && p.Findings > 0 && !c.asJSON {
		fmt.Fprintln(c.stdout, "nothing was changed: -yes does it")
	}
	return p.Findings - p.Mended, unseen(p)
}

// unseen says that a scan went on without something.
func unseen(p cassandra.Progress) error {
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

// report prints what was found in a mailbox.
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

// progressTo says every few seconds how far a scan is.
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

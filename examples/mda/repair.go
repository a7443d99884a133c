package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/popcask/popcask/cassandra"
)

const repairUsage = `Usage: mda verify [flags]
       mda repair [flags]

Compare what the mailboxes of a Cassandra store, their listings and the content
say of each other, in every data centre. verify changes nothing. repair says what
it would do; with -yes it does it. Both can be broken off with ^C and resumed.

  -cassandra HOSTS   some nodes of the local data centre (127.0.0.1)
  -dc NAME           the local data centre (dc1)
  -keyspace NAME     where the tables are (popcask)

  -user NAME         one mailbox only
  -rate N            messages a second, to spare the cluster; 0 for no limit (0)
  -resume WHERE      go on where an earlier run ended, which said where
  -confirm DURATION  wait so long and look again before removing something for
                     good because nobody has its content; 1h is safe, 0 leaves
                     it (0s)
  -remove-incomplete with -confirm: remove messages whose content is nowhere
                     complete, whose delivery was never acknowledged
  -yes               repair: do it
  -json              findings and the end as JSON, a line each

Findings go to standard output, progress to standard error. Exit code: 0 when
nothing is wrong or all of it was mended, 3 when something is left, 1 when it
could not be found out, 2 when the flags are wrong.
`

// exitFound is the exit code where something is left to mend.
const exitFound = 3

// repairCommand is mda verify and mda repair.
type repairCommand struct {
	options
	repair, yes, asJSON bool
	user                string
	scan                cassandra.ScanOptions
}

func parseRepair(verb string, args []string) (*repairCommand, error) {
	c := &repairCommand{repair: verb == "repair"}
	flags := flag.NewFlagSet("mda "+verb, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.cassandra, "cassandra", "127.0.0.1", "")
	flags.StringVar(&c.dc, "dc", "dc1", "")
	flags.StringVar(&c.keyspace, "keyspace", "popcask", "")
	flags.StringVar(&c.user, "user", "", "")
	flags.IntVar(&c.scan.Rate, "rate", 0, "")
	flags.StringVar(&c.scan.Resume, "resume", "", "")
	flags.DurationVar(&c.scan.Confirm, "confirm", 0, "")
	flags.BoolVar(&c.scan.RemoveIncomplete, "remove-incomplete", false, "")
	flags.BoolVar(&c.yes, "yes", false, "")
	flags.BoolVar(&c.asJSON, "json", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, usageError{err}
	case flags.NArg() > 0:
		return nil, usagef("%q is no flag", flags.Arg(0))
	case c.yes && !c.repair:
		return nil, usagef("-yes is for mda repair")
	}
	return c, nil
}

// runRepair is the program when its first argument is verify or repair.
func runRepair(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseRepair(args[0], args[1:])
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, repairUsage)
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "mda: %v (mda %s -h explains)\n", err, args[0])
		return 2
	}
	left, err := c.run(ctx, stdout, stderr)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "mda: %v\n", err)
		return 1
	case left > 0:
		return exitFound
	}
	return 0
}

// run returns how many findings are left.
func (c *repairCommand) run(ctx context.Context, stdout, stderr io.Writer) (left int, err error) {
	store, err := openCassandra(ctx, c.options, slog.New(slog.NewTextHandler(stderr, nil)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()

	var p cassandra.Progress
	if c.user != "" {
		p, err = c.one(ctx, store.Store, stdout)
	} else {
		c.scan.Found = func(r cassandra.Report) { c.print(stdout, r) }
		c.scan.Progress = progressTo(stderr)
		scan := store.VerifyAll
		if c.repair && c.yes {
			scan = store.RepairAll
		}
		p, err = scan(ctx, c.scan)
		if p.Resume != "" && err != nil {
			fmt.Fprintf(stderr, "broken off; go on with -resume %q\n", p.Resume)
		}
	}
	if err != nil {
		return 0, err
	}
	c.summary(stdout, p)
	if p.Failed > 0 {
		return 0, fmt.Errorf("%d mailboxes could not be looked at", p.Failed)
	}
	return p.Findings - p.Mended, nil
}

// one looks at one mailbox.
func (c *repairCommand) one(ctx context.Context, store *cassandra.Store, stdout io.Writer) (cassandra.Progress, error) {
	look := store.Verify
	if c.repair && c.yes {
		look = func(ctx context.Context, user string) (cassandra.Report, error) {
			return store.Repair(ctx, user, c.scan.RepairOptions)
		}
	}
	report, err := look(ctx, c.user)
	if err != nil {
		return cassandra.Progress{}, err
	}
	c.print(stdout, report)
	return cassandra.Progress{
		Mailboxes: 1, Messages: report.Messages, Findings: len(report.Findings),
		Mended: report.Mended(), Postponed: report.Postponed, Done: 1,
	}, nil
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

func (c *repairCommand) print(w io.Writer, r cassandra.Report) {
	for _, f := range r.Findings {
		line := found{User: r.User, Mailbox: r.Mailbox.String(), Kind: string(f.Kind), Mended: f.Mended}
		if f.ID != (cassandra.MessageID{}) {
			line.Message = f.ID.String()
		}
		if f.Err != nil {
			line.Error = f.Err.Error()
		}
		if c.asJSON {
			json.NewEncoder(w).Encode(line)
			continue
		}
		state := "found"
		switch {
		case line.Mended:
			state = "mended"
		case line.Error != "":
			state = "not mended: " + line.Error
		}
		fmt.Fprintf(w, "%s: %s %s: %s\n", line.User, line.Kind, line.Message, state)
	}
}

func (c *repairCommand) summary(w io.Writer, p cassandra.Progress) {
	if c.asJSON {
		json.NewEncoder(w).Encode(map[string]int{
			"mailboxes": p.Mailboxes, "messages": p.Messages, "findings": p.Findings,
			"mended": p.Mended, "postponed": p.Postponed, "failed": p.Failed,
		})
		return
	}
	fmt.Fprintf(w, "%d mailboxes, %d messages: %d findings, %d mended, %d postponed\n", p.Mailboxes, p.Messages, p.Findings, p.Mended, p.Postponed)
	if c.repair && !c.yes && p.Findings > 0 {
		fmt.Fprintln(w, "nothing was changed: mda repair -yes mends it")
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

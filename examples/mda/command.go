package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/popcask/popcask/cassandra"
)

// commands are what an operator does with a Cassandra store: mda NAME. Each has a
// file of its own.
var commands = []command{
	{"verify", verifyUsage, func() job { return &repairJob{} }},
	{"repair", repairUsage, func() job { return &repairJob{repair: true} }},
	{"orphans", orphansUsage, func() job { return &orphansJob{} }},
	{"rebuild", rebuildUsage, func() job { return &rebuildJob{} }},
	{"largest", largestUsage, func() job { return &largestJob{} }},
	{"empty", emptyUsage, func() job { return &emptyJob{} }},
}

type command struct {
	name  string
	usage string
	job   func() job
}

// job is a command with its flags.
type job interface {
	flags(*flag.FlagSet)
	check() error // finds flags that do not go together

	// run does it, and returns how much is left that wants somebody's attention.
	run(ctx context.Context, c *call) (left int, err error)
}

// call is what a job works with.
type call struct {
	store          *cassandra.Store
	stdout, stderr io.Writer
	asJSON         bool
}

// commonUsage is the end of the usage of every command.
const commonUsage = `
  -cassandra HOSTS   some nodes of the local data centre (127.0.0.1)
  -dc NAME           the local data centre (dc1)
  -keyspace NAME     where the tables are (popcask)
  -json              what is found and the end of it as JSON, a line each

What is found goes to standard output, progress to standard error. Exit code: 0
when nothing is left to do, 3 when something is, 1 when it could not be found out
or done, 2 when the flags are wrong.
`

// exitFound is the exit code where something is left to do.
const exitFound = 3

// commandNamed finds a command.
func commandNamed(name string) (command, bool) {
	for _, c := range commands {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// main is the program when its first argument names the command.
func (c command) main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	job := c.job()
	var o options
	call := &call{stdout: stdout, stderr: stderr}
	switch err := c.parse(job, &o, call, args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, c.usage, commonUsage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "mda: %v (mda %s -h explains)\n", err, c.name)
		return 2
	}
	left, err := runJob(ctx, job, o, call)
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "mda: %v\n", err)
		return 1
	case left > 0:
		return exitFound
	}
	return 0
}

func (c command) parse(job job, o *options, call *call, args []string) error {
	flags := flag.NewFlagSet("mda "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.cassandra, "cassandra", "127.0.0.1", "")
	flags.StringVar(&o.dc, "dc", "dc1", "")
	flags.StringVar(&o.keyspace, "keyspace", "popcask", "")
	flags.BoolVar(&call.asJSON, "json", false, "")
	job.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is no flag", flags.Arg(0))
	}
	return job.check()
}

// runJob opens the store for a job, and closes it.
func runJob(ctx context.Context, job job, o options, c *call) (left int, err error) {
	store, err := openCassandra(ctx, o, slog.New(slog.NewTextHandler(c.stderr, nil)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	c.store = store.Store
	return job.run(ctx, c)
}

// say prints one line: the value as JSON, or the text.
func (c *call) say(value any, format string, args ...any) {
	if c.asJSON {
		json.NewEncoder(c.stdout).Encode(value)
		return
	}
	fmt.Fprintf(c.stdout, format+"\n", args...)
}

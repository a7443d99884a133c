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

// commands are what an operator can do with a Cassandra store: mda NAME. Each
// is in the file command_NAME.go; verify is in command_repair.go.
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
	check() error // rejects flags that do not go together

	// run does the job, and returns how much an operator still has to look at.
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
` + nodesUsage + `  -json              print the results as JSON, one object on each line

Results go to standard output, progress to standard error. Exit code: 0 if nothing
is left to do, 3 if something is, 1 if that could not be found out or done, 2 if
the flags are wrong.
`

// exitFound is the exit code if something is left to do.
const exitFound = 3

// commandNamed looks a command up by its name.
func commandNamed(name string) (command, bool) {
	for _, c := range commands {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

// main is the program if its first argument is the name of the command.
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
	o.nodes.flags(flags)
	flags.BoolVar(&call.asJSON, "json", false, "")
	job.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if err := o.nodes.check(); err != nil {
		return err
	}
	return job.check()
}

// runJob opens the store for a job, and closes it after the job.
func runJob(ctx context.Context, job job, o options, c *call) (left int, err error) {
	store, err := openCassandra(ctx, o, slog.New(slog.NewTextHandler(c.stderr, nil)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	c.store = store
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

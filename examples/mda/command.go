package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/popcask/popcask/cassandra"
)

// commands are what an operator can do besides running the program: mda NAME.
// Each is in the file command_NAME.go; verify is in command_repair.go.
var commands = []command{
	{"verify", verifyUsage + storeUsage, onStore(func() job { return &repairJob{} })},
	{"repair", repairUsage + storeUsage, onStore(func() job { return &repairJob{repair: true} })},
	{"orphans", orphansUsage + storeUsage, onStore(func() job { return &orphansJob{} })},
	{"rebuild", rebuildUsage + storeUsage, onStore(func() job { return &rebuildJob{} })},
	{"largest", largestUsage + storeUsage, onStore(func() job { return &largestJob{} })},
	{"empty", emptyUsage + storeUsage, onStore(func() job { return &emptyJob{} })},
	{"expire", expireUsage + storeUsage, newExpireJob},
	{"users", usersUsage + storeUsage, onStore(func() job { return &usersJob{} })},
	{"user", userUsage + storeUsage, onStore(func() job { return &userJob{in: os.Stdin} })},
	{"hash", hashUsage, func() job { return &hashJob{in: os.Stdin} }},
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
	stdout, stderr io.Writer

	store  *cassandra.Store // of a storeJob, and so is asJSON
	asJSON bool
}

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
	switch err := c.parse(job, args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, c.usage)
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "mda: %v (mda %s -h explains)\n", err, c.name)
		return 2
	}
	left, err := job.run(ctx, &call{stdout: stdout, stderr: stderr})
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "mda: %v\n", err)
		return 1
	case left > 0:
		return exitFound
	}
	return 0
}

func (c command) parse(job job, args []string) error {
	flags := flag.NewFlagSet("mda "+c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	job.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	return job.check()
}

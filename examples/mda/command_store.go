package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
)

// storeUsage is the end of the usage of every command for a Cassandra store.
const storeUsage = `
` + nodesUsage + `  -json              print the results as JSON, one object on each line

Results go to standard output, progress to standard error. Exit code: 0 if nothing
is left to do, 3 if something is, 1 if that could not be found out or done, 2 if
the flags are wrong.
`

// storeJob is a job for a Cassandra store, which it opens before and closes
// after.
type storeJob struct {
	job
	options options
	asJSON  bool
}

// onStore returns a maker of jobs with the flags that say where the store is.
func onStore(inner func() job) func() job {
	return func() job { return &storeJob{job: inner()} }
}

func (j *storeJob) flags(flags *flag.FlagSet) {
	j.options.nodes.flags(flags)
	flags.BoolVar(&j.asJSON, "json", false, "")
	j.job.flags(flags)
}

func (j *storeJob) check() error {
	if err := j.options.nodes.check(); err != nil {
		return err
	}
	return j.job.check()
}

func (j *storeJob) run(ctx context.Context, c *call) (left int, err error) {
	store, err := openCassandra(ctx, j.options, slog.New(slog.NewTextHandler(c.stderr, nil)))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, store.Close(context.WithoutCancel(ctx))) }()
	c.store, c.asJSON = store, j.asJSON
	return j.job.run(ctx, c)
}

// say prints one line: the value as JSON, or the text.
func (c *call) say(value any, format string, args ...any) {
	if c.asJSON {
		json.NewEncoder(c.stdout).Encode(value)
		return
	}
	fmt.Fprintf(c.stdout, format+"\n", args...)
}

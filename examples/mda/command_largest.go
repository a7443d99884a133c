package main

import (
	"context"
	"flag"

	"github.com/popcask/popcask/cassandra"
)

const largestUsage = `Usage: mda largest [flags]

Names the largest maildrops, with the messages and the octets that are listed in
them.

  -n N               how many (20)
`

// largestJob is mda largest.
type largestJob struct{ most int }

func (j *largestJob) flags(flags *flag.FlagSet) { flags.IntVar(&j.most, "n", 20, "") }

func (j *largestJob) check() error {
	if j.most < 1 {
		return usagef("-n %d: want 1 or more", j.most)
	}
	return nil
}

func (j *largestJob) run(ctx context.Context, c *call) (left int, err error) {
	largest, err := c.store.Largest(ctx, j.most)
	for _, usage := range largest {
		c.usage(usage)
	}
	return 0, err
}

// maildrop is a maildrop as JSON.
type maildrop struct {
	User     string `json:"user"`
	Mailbox  string `json:"mailbox"`
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`
}

func (c *call) usage(d cassandra.Usage) {
	name := d.User
	if name == "" {
		name = d.Mailbox.String()
	}
	c.say(maildrop{d.User, d.Mailbox.String(), d.Messages, d.Octets}, "%s: %d messages, %d octets", name, d.Messages, d.Octets)
}

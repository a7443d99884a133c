package main

import (
	"context"
	"flag"

	"github.com/popcask/popcask/cassandra"
)

const largestUsage = `Usage: mda largest [flags]

Prints the largest mailboxes, with the numbers of messages and octets that their
listings have.

  -n N               how many mailboxes (20)
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
	for _, m := range largest {
		c.usage(m)
	}
	return 0, err
}

// mailboxUsage is how much is in a mailbox, as JSON.
type mailboxUsage struct {
	User     string `json:"user"`
	Mailbox  string `json:"mailbox"`
	Messages int    `json:"messages"`
	Octets   int64  `json:"octets"`
}

// usage prints how much is in a mailbox, whose user may be unknown.
func (c *call) usage(m cassandra.Usage) {
	name := m.User
	if name == "" {
		name = m.Mailbox.String()
	}
	c.say(mailboxUsage{m.User, m.Mailbox.String(), m.Messages, m.Octets}, "%s: %d messages, %d octets", name, m.Messages, m.Octets)
}

//go:build linux

package main

import (
	"context"
	"fmt"

	"github.com/popcask/popcask/pop3/pop3client"
)

// workload is something that a client does many times.
type workload struct {
	name  string
	times int // a round
	run   func(address string, times int) error
}

var workloads = []workload{
	{"session", 4000, sessions},
	{"RETR 5 KB", 30000, func(address string, times int) error { return retrieve(address, smallUser, times) }},
	{"RETR 5 MB", 150, func(address string, times int) error { return retrieve(address, largeUser, times) }},
}

// sessions connects, logs in, sends STAT and QUIT.
func sessions(address string, times int) error {
	ctx := context.Background()
	for range times {
		c, err := dial(address, smallUser, pop3client.Options{})
		if err != nil {
			return err
		}
		if _, _, err := c.Stat(ctx); err != nil {
			return err
		}
		if err := c.Quit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// retrieve gets the messages of a maildrop, in turn, over one connection.
func retrieve(address, user string, times int) error {
	c, err := dial(address, user, reading)
	if err != nil {
		return err
	}
	for i := range times {
		number := i%messages(user) + 1
		octets, err := size(c, number)
		if err != nil {
			return err
		}
		if want := int64(len(message(user))); octets != want {
			return fmt.Errorf("RETR %d: %d octets, want %d", number, octets, want)
		}
	}
	return c.Quit(context.Background())
}

// reading makes the client read as much at once as it can, so that the time is
// the server's.
var reading = pop3client.Options{MaxLine: 256 << 10}

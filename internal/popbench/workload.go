//go:build linux

package main

import (
	"fmt"
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
	for range times {
		c, err := dial(address, smallUser)
		if err != nil {
			return err
		}
		if err := c.command("STAT"); err != nil {
			return err
		}
		if err := c.quit(); err != nil {
			return err
		}
	}
	return nil
}

// retrieve gets the messages of a maildrop, in turn, over one connection.
func retrieve(address, user string, times int) error {
	c, err := dial(address, user)
	if err != nil {
		return err
	}
	for i := range times {
		if err := c.command(fmt.Sprintf("RETR %d", i%messages(user)+1)); err != nil {
			return err
		}
		octets, err := c.body()
		if err != nil {
			return err
		}
		if want := int64(len(message(user))); octets != want {
			return fmt.Errorf("RETR %d: %d octets, want %d", i%messages(user)+1, octets, want)
		}
	}
	return c.quit()
}

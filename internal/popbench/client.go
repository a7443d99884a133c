//go:build linux

package main

import (
	"context"
	"io"

	"github.com/popcask/popcask/pop3/pop3client"
)

// dial logs in.
func dial(address, user string, options pop3client.Options) (*pop3client.Client, error) {
	ctx := context.Background()
	options.AllowInsecureAuth = true
	c, err := pop3client.Dial(ctx, address, options)
	if err != nil {
		return nil, err
	}
	if err := c.Login(ctx, user, password); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// size retrieves a message and returns its size in octets.
func size(c *pop3client.Client, number int) (int64, error) {
	body, err := c.Retr(context.Background(), number)
	if err != nil {
		return 0, err
	}
	return io.Copy(io.Discard, body)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/maildir"
	"github.com/popcask/popcask/mailbox/memory"
)

// store is what the program needs of one: POP3 opens it, LMTP and SMTP deliver.
type store interface {
	mailbox.Store
	mailbox.Appender
}

// openStore opens the store that the flags ask for, and reports whether it is
// new.
//
// The stores have no limit of their own: -max-size is the limit, which counts
// octets as received (smtp_body.go).
func openStore(ctx context.Context, o options, log *slog.Logger) (s store, isNew bool, err error) {
	switch o.store {
	case "memory":
		run := strconv.FormatInt(time.Now().UnixMicro(), 36)
		return &memory.Store{IDPrefix: run + "-", MaxMessageSize: -1, Expire: o.retention()}, true, nil
	case "maildir":
		if isNew, err = isMissingOrEmpty(o.dir); err != nil {
			return nil, false, fmt.Errorf("-dir: %w", err)
		}
		s, err = maildir.New(o.dir, maildir.Options{MaxMessageSize: -1, Expire: o.retention()})
		if err != nil {
			return nil, false, fmt.Errorf("-dir: %w", err)
		}
		return s, isNew, nil
	case "cassandra":
		c, err := openCassandra(ctx, o, log)
		if err != nil {
			return nil, false, err
		}
		// With -create-schema and no users of its own it may be a first try.
		if o.createSchema != nil && o.isDemo() {
			found, err := c.Measure(ctx, demo)
			if err != nil {
				return nil, false, errors.Join(err, c.Close(ctx))
			}
			isNew = found.Messages == 0
		}
		return c, isNew, nil
	}
	return nil, false, usagef("-store %s: there is none of that kind", o.store)
}

func isMissingOrEmpty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

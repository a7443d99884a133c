package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const hashUsage = `Usage: mda hash [flags] <FILE

Reads a password, which is one line, and prints the secret that stands for it in
the users file: {BCRYPT} and a hash. At a terminal the password is visible.

  (printf bob:; mda hash) >>users.txt

  -cost N            from 4 to 31 (10). One more doubles the work of a login, for
                     all users: each login is made to cost as much as the dearest

Exit code: 0, 1 if there was no password, 2 if the flags are wrong.
`

// hashJob is mda hash.
type hashJob struct {
	in   io.Reader
	cost int
}

func (j *hashJob) flags(flags *flag.FlagSet) { flags.IntVar(&j.cost, "cost", bcrypt.DefaultCost, "") }

func (j *hashJob) check() error {
	if j.cost < bcrypt.MinCost || j.cost > bcrypt.MaxCost {
		return usagef("-cost %d: want %d to %d", j.cost, bcrypt.MinCost, bcrypt.MaxCost)
	}
	return nil
}

func (j *hashJob) run(_ context.Context, c *call) (left int, err error) {
	if isTerminal(j.in) {
		fmt.Fprint(c.stderr, "Password: ")
	}
	line, err := bufio.NewReader(j.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if password == "" {
		return 0, errors.New("no password: standard input must have it on its first line")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), j.cost)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(c.stdout, "{BCRYPT}%s\n", hash)
	return 0, err
}

// isTerminal reports whether somebody may be waiting for a prompt.
func isTerminal(in io.Reader) bool {
	file, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

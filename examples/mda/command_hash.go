package main

import (
	"bufio"
	"context"
	"crypto"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox/secret"
)

const hashUsage = `Usage: mda hash [flags] <FILE

Reads a password, which is one line, and prints the secret that stands for it in
the users file. At a terminal the password is visible.

  (printf bob:; mda hash) >>users.txt

  -scheme NAMES      SCRAM-SHA-256 (the default), SCRAM-SHA-1, both with a comma
                     between them, or BCRYPT. Clients can use SCRAM, which does
                     not send the password, if every user has it, or a password
                     in the clear
  -iterations N      of SCRAM (4096), and
  -cost N            of BCRYPT, from 4 to 31 (10). More make guessing dearer, and
                     the logins that send the password, of all users: each is made
                     to cost as much as the dearest. One more of -cost is twice
                     the work

Exit code: 0, 1 if there was no password, 2 if the flags are wrong.
`

// hashJob is mda hash.
type hashJob struct {
	in               io.Reader
	scheme           string
	iterations, cost int
}

func (j *hashJob) flags(flags *flag.FlagSet) {
	flags.StringVar(&j.scheme, "scheme", "SCRAM-SHA-256", "")
	flags.IntVar(&j.iterations, "iterations", secret.DefaultIterations, "")
	flags.IntVar(&j.cost, "cost", bcrypt.DefaultCost, "")
}

func (j *hashJob) check() error {
	switch {
	case j.cost < bcrypt.MinCost || j.cost > bcrypt.MaxCost:
		return usagef("-cost %d: want %d to %d", j.cost, bcrypt.MinCost, bcrypt.MaxCost)
	case j.iterations < secret.DefaultIterations || j.iterations > secret.MaxIterations:
		return usagef("-iterations %d: want %d to %d", j.iterations, secret.DefaultIterations, secret.MaxIterations)
	case strings.EqualFold(j.scheme, "BCRYPT"):
		return nil
	}
	_, err := j.hashes()
	return err
}

// bothSCRAM is the -scheme with which all clients that know SCRAM can log in.
const bothSCRAM = "SCRAM-SHA-256,SCRAM-SHA-1"

// hashes are those of -scheme, if that is SCRAM.
func (j *hashJob) hashes() (hashes []crypto.Hash, err error) {
	for name := range strings.SplitSeq(j.scheme, ",") {
		switch strings.ToUpper(name) {
		case "SCRAM-SHA-256":
			hashes = append(hashes, crypto.SHA256)
		case "SCRAM-SHA-1":
			hashes = append(hashes, crypto.SHA1)
		default:
			return nil, usagef("-scheme %s: there are SCRAM-SHA-256, SCRAM-SHA-1 and BCRYPT", j.scheme)
		}
	}
	return hashes, nil
}

// secret is what stands for a password.
func (j *hashJob) secret(password string) (secret.Secret, error) {
	if strings.EqualFold(j.scheme, "BCRYPT") {
		return secret.Bcrypt(password, j.cost)
	}
	hashes, err := j.hashes()
	if err != nil {
		return secret.Secret{}, err
	}
	var keys []secret.SCRAM
	for _, hash := range hashes {
		k, err := secret.NewSCRAM(hash, password, j.iterations)
		if err != nil {
			return secret.Secret{}, err
		}
		keys = append(keys, k)
	}
	return secret.Keys(keys...), nil
}

func (j *hashJob) run(_ context.Context, c *call) (left int, err error) {
	password, err := readSecretLine(j.in, c.stderr)
	if err != nil {
		return 0, err
	}
	s, err := j.secret(password)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Fprintln(c.stdout, s.Encode())
	return 0, err
}

// readSecretLine reads the first line, without its end. At a terminal it asks
// for a password.
func readSecretLine(in io.Reader, prompt io.Writer) (string, error) {
	if isTerminal(in) {
		fmt.Fprint(prompt, "Password: ")
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("no password: standard input must have it on its first line")
	}
	return line, nil
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

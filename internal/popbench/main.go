//go:build linux

// Popbench measures the cost of the POP3 server beside that of a bare program,
// which sends the same octets from memory, and beside that of Dovecot, all in
// one run with the same client:
//
//	go run ./internal/popbench               # the server on both stores, beside the bare program
//	go run ./internal/popbench -dovecot      # Dovecot too (Debian: dovecot-pop3d; as root)
//
// Each server is a process of its own and reports its own CPU time (user and
// system). The runs are interleaved, round by round; the figures are medians.
// All traffic is on loopback.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	role := flag.String("role", "", "internal: be the server of this name")
	dir := flag.String("dir", "", "internal: the directory of the mail of a server")
	rounds := flag.Int("rounds", 5, "rounds, of which the medians are shown")
	scale := flag.Float64("scale", 1, "how much work a round is: 1 is about 15 seconds")
	dovecot := flag.Bool("dovecot", false, "measure an installed Dovecot too (needs root)")
	idle := flag.Int("idle", 5000, "connections of the idle measurement; 0 leaves it out")
	flag.Parse()
	if err := run(*role, *dir, *rounds, *scale, *dovecot, *idle); err != nil {
		fmt.Fprintln(os.Stderr, "popbench:", err)
		os.Exit(1)
	}
}

func run(role, dir string, rounds int, scale float64, dovecot bool, idle int) error {
	if role != "" {
		return serveRole(role, dir)
	}
	dir, err := os.MkdirTemp("", "popbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	names := []string{"bare", "memory", "maildir"}
	if dovecot {
		names = append(names, "dovecot")
	}
	servers := make(map[string]server)
	for _, name := range names {
		s, err := start(name, dir)
		if err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
		defer s.stop()
		servers[name] = s
	}
	if err := measureWork(names, servers, rounds, scale); err != nil {
		return err
	}
	if err := measureLarge(servers["maildir"]); err != nil {
		return err
	}
	if idle > 0 {
		return measureIdle(servers["memory"], idle)
	}
	return nil
}

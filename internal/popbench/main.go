//go:build linux

// Popbench measures what the POP3 server costs beside a bare program that
// answers the same octets from memory, and beside Dovecot, all in one run with
// the same client:
//
//	go run ./internal/popbench               # the server on both stores, beside the bare program
//	go run ./internal/popbench -dovecot      # Dovecot too (Debian: dovecot-pop3d; as root)
//
// Each server is a process of its own and tells its own CPU time (user and
// system). The runs are interleaved, round by round; the figures are medians.
// All traffic is on loopback, and all of it ends by itself.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"
)

func main() {
	role := flag.String("role", "", "internal: be the server of this name")
	dir := flag.String("dir", "", "internal: the directory of the server's mail")
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

// measureWork prints the table of CPU time, wall time and allocations.
func measureWork(names []string, servers map[string]server, rounds int, scale float64) error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "work\tserver\tCPU us\tx bare\twall us\tx bare\tallocations\t")
	for _, w := range workloads {
		times := max(1, int(float64(w.times)*scale))
		cpu := make(map[string][]float64)
		wall := make(map[string][]float64)
		allocations := make(map[string][]float64)
		for round := -1; round < rounds; round++ { // the first one warms up
			for _, name := range names {
				s := servers[name]
				before, err := s.usage()
				if err != nil {
					return err
				}
				began := time.Now()
				if err := w.run(s.address(), times); err != nil {
					return fmt.Errorf("%s on %s: %w", w.name, name, err)
				}
				took := time.Since(began)
				after, err := s.usage()
				if err != nil {
					return err
				}
				if round < 0 {
					continue
				}
				per := func(total int64) float64 { return float64(total) / float64(times) }
				cpu[name] = append(cpu[name], per(after.cpu-before.cpu))
				wall[name] = append(wall[name], per(took.Microseconds()))
				allocations[name] = append(allocations[name], per(after.allocations-before.allocations))
			}
		}
		for _, name := range names {
			fmt.Fprintf(table, "%s\t%s\t%.1f\t%.2f\t%.1f\t%.2f\t%.1f\t\n", w.name, name,
				median(cpu[name]), median(cpu[name])/median(cpu["bare"]),
				median(wall[name]), median(wall[name])/median(wall["bare"]),
				median(allocations[name]))
		}
	}
	return table.Flush()
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}

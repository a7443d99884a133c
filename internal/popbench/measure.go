//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/popcask/popcask/pop3/pop3client"
)

// measureLarge prints how much the heap grows while a client reads a message of
// 100 MB.
func measureLarge(s server) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	c, err := dial(s.address(), hugeUser, reading)
	if err != nil {
		return err
	}
	octets, err := size(c, 1)
	if err != nil {
		return err
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Printf("\nRETR of %d MB from Maildir: the highest heap in use was %.2f MB above the one before\n",
		octets>>20, float64(after.peakHeap-before.heap)/(1<<20))
	return c.Quit(context.Background())
}

// measureIdle prints how much memory a waiting connection takes.
func measureIdle(s server, connections int) error {
	before, err := s.usage()
	if err != nil {
		return err
	}
	var open []*pop3client.Client
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range connections {
		c, err := dial(s.address(), smallUser, pop3client.Options{MaxLine: 512})
		if err != nil {
			return fmt.Errorf("connection %d: %w (is the limit of open files high enough?)", len(open)+1, err)
		}
		open = append(open, c)
	}
	after, err := s.usage()
	if err != nil {
		return err
	}
	fmt.Printf("%d logged-in idle connections: %.1f KB each of heap and stacks, %.1f KB each of resident memory\n",
		connections,
		float64(after.heap+after.stacks-before.heap-before.stacks)/float64(connections)/1000,
		float64(after.resident-before.resident)/float64(connections)/1000)
	return nil
}

// resident is the resident memory of a process in octets.
func resident(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var total, pages int64
	fmt.Sscan(string(data), &total, &pages)
	return pages * int64(os.Getpagesize())
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

// Command cluster starts a Cassandra cluster on this machine, for trying things
// out: several data centres on a laptop, on loopback addresses, without a
// container, or with a WAN between them. It ends with ^C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/popcask/popcask/cassandra/cassandratest"
)

const usage = `Usage: cluster [-dcs dc1:3,dc2:3] [-wan ROUNDTRIP] [-dir DIR] [-heap MIB]

Starts a Cassandra cluster on this machine and prints, when all its nodes answer,

  ready dc1=127.0.0.1:9042,127.0.0.2:9042 dc2=127.0.0.3:9042

It needs Java 17 and Maven (java and mvn on the PATH); the first run fetches 66 MB
of jars. Each node has 400 to 600 MB resident. ^C ends the cluster.

With -wan every data centre is in a network of its own, and a packet and its answer
take that long between two of them; you reach all nodes without that delay. It
needs root on Linux.

`

const examples = `
Examples:
  cluster                               one data centre of three nodes
  cluster -dcs paris:3,tokyo:3          two of them, six nodes
  cluster -dcs dc1:1,dc2:1 -dir ./data  two nodes that keep their data in ./data
  cluster -dcs dc1:1,dc2:1 -wan 50ms    50 ms from dc1 to dc2 and back
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit status: 0 after ^C, 1 when the cluster
// could not start or ended by itself, 2 for flags that make no sense.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dcs := flags.String("dcs", "dc1:3", "data centres and their nodes, as `NAME:NODES,...`")
	dir := flags.String("dir", "", "keep the data in `DIR` from one run to the next (default: a temporary directory)")
	wan := flags.Duration("wan", 0, "the `ROUNDTRIP` between data centres, such as 50ms (default: none, all on loopback)")
	heap := flags.Int("heap", 256, "heap of each node, in `MIB`")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		flags.SetOutput(out)
		flags.PrintDefaults()
		fmt.Fprint(out, examples)
		return 0
	case err != nil:
		return misused(errs, err)
	case flags.NArg() > 0:
		return misused(errs, fmt.Errorf("%q is not a flag", flags.Arg(0)))
	}
	topology := cassandratest.Topology{HeapMB: *heap}
	var err error
	if topology.DCs, err = cassandratest.ParseDCs(*dcs); err != nil {
		return misused(errs, err)
	}
	if *wan < 0 || *wan > 0 && len(topology.DCs) < 2 {
		return misused(errs, fmt.Errorf("-wan %s: it takes two data centres, and a time (as -dcs dc1:1,dc2:1 -wan 50ms)", *wan))
	}
	topology.WAN = *wan > 0
	if *heap < 128 {
		return misused(errs, fmt.Errorf("-heap %d: Cassandra needs at least 128 MiB", *heap))
	}

	began := time.Now()
	progress := func(line string) { fmt.Fprintf(out, "%6.1fs  %s\n", time.Since(began).Seconds(), line) }
	progress("cluster " + cassandratest.FormatDCs(topology.DCs) + " of Cassandra " + cassandratest.Version)
	cluster, err := cassandratest.Open(ctx, topology, cassandratest.Options{Dir: *dir, Progress: progress})
	if ctx.Err() != nil {
		progress("stopped before it was ready")
		return 0
	}
	if err != nil {
		fmt.Fprintln(errs, "cluster:", err)
		return 1
	}
	if err := delay(cluster, *wan/2); err != nil {
		fmt.Fprintln(errs, "cluster:", errors.Join(err, cluster.Close()))
		return 1
	}
	progress("logs are in " + filepath.Join(cluster.Dir, "logs"))
	ready := "ready"
	for _, dc := range cluster.DCs {
		ready += " " + dc.Name + "=" + strings.Join(cluster.Hosts(dc.Name), ",")
	}
	fmt.Fprintln(out, ready)

	select {
	case <-ctx.Done():
	case <-cluster.Lost():
		fmt.Fprintln(errs, "cluster: the keeper of the nodes has ended, and the nodes with it")
		return 1
	}
	progress("stopping")
	if err := cluster.Close(); err != nil {
		fmt.Fprintln(errs, "cluster:", err)
		return 1
	}
	progress("stopped")
	return 0
}

// delay sets the delay of every link, one way.
func delay(cluster *cassandratest.Cluster, oneWay time.Duration) error {
	if oneWay == 0 {
		return nil
	}
	for i, a := range cluster.DCs {
		for _, b := range cluster.DCs[:i] {
			if err := cluster.Link(b.Name, a.Name).SetDelay(oneWay); err != nil {
				return err
			}
		}
	}
	return nil
}

func misused(errs io.Writer, err error) int {
	fmt.Fprintf(errs, "cluster: %v (cluster -h explains)\n", err)
	return 2
}

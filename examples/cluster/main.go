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

Starts a Cassandra cluster on this machine. When all its nodes answer it prints

  ready dc1=127.0.0.1:9042,127.0.0.2:9042 dc2=127.0.0.3:9042

It needs Java 17 and Maven (java and mvn on the PATH); the first run fetches 66 MB
of jars. Each node takes 400 to 600 MB of memory. ^C ends the cluster.

With -wan every data centre is in a network of its own, and ROUNDTRIP is the time
that a packet and its answer take between two of them. You reach all nodes without
that delay. It needs root on Linux.

`

const examples = `
Examples:
  cluster                               one data centre of three nodes
  cluster -dcs paris:3,tokyo:3          two data centres, six nodes
  cluster -dcs dc1:1,dc2:1 -dir ./data  two nodes that keep their data in ./data
  cluster -dcs dc1:1,dc2:1 -wan 50ms    50 ms from dc1 to dc2 and back
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code: 0 after ^C, 1 if the cluster
// could not start or ended by itself, 2 if the flags are wrong.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o, err := parse(args, out)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintf(errs, "cluster: %v (cluster -h explains)\n", err)
		return 2
	}
	began := time.Now()
	progress := func(line string) { fmt.Fprintf(out, "%6.1fs  %s\n", time.Since(began).Seconds(), line) }
	if err := o.serve(ctx, out, progress); err != nil {
		fmt.Fprintln(errs, "cluster:", err)
		return 1
	}
	return 0
}

// options are the values of the flags.
type options struct {
	topology cassandratest.Topology
	wan      time.Duration // round trip between data centres; 0: no WAN
	dir      string        // "": a temporary one
}

// parse reads the flags. For -h it prints the usage and returns [flag.ErrHelp].
func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	dcs := flags.String("dcs", "dc1:3", "data centres and their nodes, as `NAME:NODES,...`")
	flags.StringVar(&o.dir, "dir", "", "keep the data in `DIR` from one run to the next (default: a temporary directory)")
	flags.DurationVar(&o.wan, "wan", 0, "the `ROUNDTRIP` between data centres, such as 50ms (default: none, all on loopback)")
	flags.IntVar(&o.topology.HeapMB, "heap", 256, "heap of each node, in `MIB`")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		flags.SetOutput(out)
		flags.PrintDefaults()
		fmt.Fprint(out, examples)
		return o, err
	case err != nil:
		return o, err
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if o.topology.DCs, err = cassandratest.ParseDCs(*dcs); err != nil {
		return o, err
	}
	if o.wan < 0 || o.wan > 0 && len(o.topology.DCs) < 2 {
		return o, fmt.Errorf("-wan %s: it takes two data centres, and a time (as -dcs dc1:1,dc2:1 -wan 50ms)", o.wan)
	}
	o.topology.WAN = o.wan > 0
	if heap := o.topology.HeapMB; heap < 128 {
		return o, fmt.Errorf("-heap %d: Cassandra needs at least 128 MiB", heap)
	}
	return o, nil
}

// serve runs the cluster until ctx ends.
func (o options) serve(ctx context.Context, out io.Writer, progress func(string)) error {
	progress("cluster " + cassandratest.FormatDCs(o.topology.DCs) + " of Cassandra " + cassandratest.Version)
	cluster, err := cassandratest.Open(ctx, o.topology, cassandratest.Options{Dir: o.dir, Progress: progress})
	if ctx.Err() != nil {
		progress("stopped before it was ready")
		return nil
	}
	if err != nil {
		return err
	}
	if err := delay(cluster, o.wan/2); err != nil {
		return errors.Join(err, cluster.Close())
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
		return errors.New("the keeper of the nodes has ended, and the nodes with it")
	}
	progress("stopping")
	if err := cluster.Close(); err != nil {
		return err
	}
	progress("stopped")
	return nil
}

// delay sets the delay of every link between data centres, in each direction.
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

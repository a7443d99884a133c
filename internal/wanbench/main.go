//go:build linux

// Wanbench measures what the distance between two data centres costs: the
// latency of deliveries and of whole sessions on the library, at several round
// trips between the data centres, in turn. Beside it, it measures the same work
// with lightweight transactions, which a mail store needs that assigns UIDs and
// MODSEQs one by one.
//
//	sudo go run ./internal/wanbench -svg wan.svg     # root, for the network namespaces
//
// It prints a table, and with -svg draws it into a file. It starts the nodes
// and the link between them, and ends them.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/projection"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds, in each of which every round trip has its turn")
	times := flag.Int("times", 60, "of each work in a turn")
	svg := flag.String("svg", "", "file to draw the medians into")
	flag.Parse()
	if err := run(context.Background(), *rounds, *times, *svg); err != nil {
		fmt.Fprintln(os.Stderr, "wanbench:", err)
		os.Exit(1)
	}
}

var roundTrips = []time.Duration{0, 25 * time.Millisecond, 100 * time.Millisecond}

// work is a piece of work to measure.
type work struct {
	name string
	do   func(context.Context) error
}

// result names a measurement: of one work at one round trip.
type result struct {
	work      string
	roundTrip time.Duration
}

func run(ctx context.Context, rounds, times int, svg string) error {
	cluster, err := cassandratest.Open(ctx, cassandratest.Topology{
		DCs:    []cassandratest.DC{{Name: "dc1", Nodes: 1}, {Name: "dc2", Nodes: 1}},
		WAN:    true,
		HeapMB: 512,
		JVM:    []string{"-XX:TieredStopAtLevel=4"},
	}, cassandratest.Options{Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }})
	if err != nil {
		return err
	}
	defer cluster.Close()
	works, stop, err := prepare(ctx, cluster)
	if err != nil {
		return err
	}
	defer stop()

	took := make(map[result][]time.Duration)
	for round := -1; round < rounds; round++ { // the first one warms up
		for _, roundTrip := range roundTrips {
			if err := cluster.Link("dc1", "dc2").SetDelay(roundTrip / 2); err != nil {
				return err
			}
			for _, w := range works {
				for range times {
					began := time.Now()
					if err := w.do(ctx); err != nil {
						return fmt.Errorf("%s at %s: %w", w.name, roundTrip, err)
					}
					if round >= 0 {
						key := result{w.name, roundTrip}
						took[key] = append(took[key], time.Since(began))
					}
				}
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, rounds)
	}
	print(works, took)
	perMinute, err := proofs(ctx, cluster, 1000)
	if err != nil {
		return fmt.Errorf("proofs: %w", err)
	}
	fmt.Printf("\nproofs with %s between the data centres: %.0f mailboxes a minute\n", proofTrip, perMinute)
	if svg == "" {
		return nil
	}
	return os.WriteFile(svg, draw(works, took), 0o644)
}

// prepare returns the works.
func prepare(ctx context.Context, cluster *cassandratest.Cluster) (works []work, stop func(), err error) {
	config := cassandra.Config{Hosts: cluster.Hosts("dc1"), LocalDC: "dc1", Keyspace: "wanbench", Timeout: 10 * time.Second}
	if err := cassandra.Migrate(ctx, config, cassandra.Replication{"dc1": 1, "dc2": 1}); err != nil {
		return nil, nil, err
	}
	store, err := cassandra.Open(ctx, config, projection.New)
	if err != nil {
		return nil, nil, err
	}
	lwt, err := newTransactions(ctx, cluster)
	if err != nil {
		return nil, nil, err
	}
	library := &library{store: store}
	stop = func() {
		store.Close(ctx)
		lwt.close()
	}
	return []work{
		{"delivery", library.deliver},
		{"session", library.session},
		{"delivery, transactions", lwt.deliver},
		{"session, transactions", lwt.session},
	}, stop, nil
}

func print(works []work, took map[result][]time.Duration) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "median (p99) in ms at a round trip of\t")
	for _, roundTrip := range roundTrips {
		fmt.Fprintf(table, "%s\t", roundTrip)
	}
	fmt.Fprintln(table)
	for _, w := range works {
		fmt.Fprintf(table, "%s\t", w.name)
		for _, roundTrip := range roundTrips {
			all := slices.Sorted(slices.Values(took[result{w.name, roundTrip}]))
			fmt.Fprintf(table, "%.1f (%.0f)\t", ms(all[len(all)/2]), ms(all[len(all)*99/100]))
		}
		fmt.Fprintln(table)
	}
	table.Flush()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(all []time.Duration) float64 {
	return ms(slices.Sorted(slices.Values(all))[len(all)/2])
}

// draw draws the medians as lines over the round trip.
func draw(works []work, took map[result][]time.Duration) []byte {
	const width, height, left, bottom = 640, 360, 60, 40
	highest := 0.0
	for key := range maps.Keys(took) {
		highest = max(highest, median(took[key]))
	}
	x := func(roundTrip time.Duration) float64 {
		return left + float64(roundTrip)/float64(slices.Max(roundTrips))*(width-left-200)
	}
	y := func(value float64) float64 { return height - bottom - value/highest*(height-bottom-20) }
	var s strings.Builder
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for i := range 5 {
		value := highest * float64(i) / 4
		fmt.Fprintf(&s, `<line x1="%d" x2="%d" y1="%.0f" y2="%.0f" stroke="#ddd"/><text x="%d" y="%.0f" text-anchor="end">%.0f ms</text>`+"\n",
			left, width-200, y(value), y(value), left-6, y(value)+4, value)
	}
	for _, roundTrip := range roundTrips {
		fmt.Fprintf(&s, `<text x="%.0f" y="%d" text-anchor="middle">%s</text>`+"\n", x(roundTrip), height-bottom+18, roundTrip)
	}
	fmt.Fprintf(&s, `<text x="%d" y="%d">round trip between the data centres</text>`+"\n", left+100, height-6)
	colours := []string{"#0a7", "#05a", "#d60", "#b02"}
	for i, w := range works {
		var points []string
		for _, roundTrip := range roundTrips {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(roundTrip), y(median(took[result{w.name, roundTrip}]))))
		}
		colour := colours[i%len(colours)]
		fmt.Fprintf(&s, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", strings.Join(points, " "), colour)
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="12" height="3" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n",
			width-190, 24+18*i, colour, width-172, 30+18*i, w.name)
	}
	s.WriteString("</svg>\n")
	return []byte(s.String())
}

// newest returns the last one, so that a session takes what was delivered last.
func newest[T cmp.Ordered](all []T) T { return all[len(all)-1] }

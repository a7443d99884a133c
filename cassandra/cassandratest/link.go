package cassandratest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"
)

var (
	// errNoWAN means that this machine has no WAN for a test.
	errNoWAN = errors.New("no WAN here")

	// errNoWANHere means that no installation would change that.
	errNoWANHere = fmt.Errorf("%w", errNoWAN)
)

// Link is the link between two data centres of a cluster with [Topology.WAN].
// At first it has no delay, no limit of its rate, and loses nothing. Each
// method returns after the change is made. Packets have 9000 octets at most,
// and keep their order. A Link is safe for concurrent use.
type Link struct {
	cluster *Cluster
	a, b    string
}

// Link returns the link between two data centres, named in any order.
func (c *Cluster) Link(a, b string) *Link { return &Link{c, a, b} }

// linkOrder is what the keeper is asked to do to a link. Nil means no change.
type linkOrder struct {
	A, B  string
	Delay *time.Duration `json:",omitempty"`
	Rate  *int64         `json:",omitempty"`
	Loss  *float64       `json:",omitempty"`
	Seed  uint64         `json:",omitempty"` // of Loss
	Cut   []string       `json:",omitempty"` // data centres whose packets are stopped
	Heal  bool           `json:",omitempty"`
}

// SetDelay sets how long a packet is on its way, which is half a round trip. It
// also holds for the packets that are on their way. Timers and busy processors
// come on top of it: a round trip of 50 ms was seen to take 50.6 to 51.1 ms,
// one without a delay less than 0.1 ms.
func (l *Link) SetDelay(oneWay time.Duration) error {
	if oneWay < 0 {
		return l.wrong("delay", oneWay)
	}
	return l.order(linkOrder{Delay: &oneWay})
}

// SetRate limits each direction to a number of octets a second. 0 means no
// limit. A packet that would have to wait more than 0.1 s for those before it
// is lost.
func (l *Link) SetRate(octets int64) error {
	if octets < 0 {
		return l.wrong("rate", octets)
	}
	return l.order(linkOrder{Rate: &octets})
}

// SetLoss sets the fraction of the packets that are lost in each direction, at
// random: 0.01 is one in a hundred. The seed decides which, counted from now.
func (l *Link) SetLoss(fraction float64, seed uint64) error {
	if !(fraction >= 0 && fraction <= 1) {
		return l.wrong("loss", fraction)
	}
	return l.order(linkOrder{Loss: &fraction, Seed: seed})
}

// Cut cuts the link. Packets on their way are lost, and after Cut has returned
// nothing arrives: the nodes get neither an answer nor an error. They take each
// other for dead after some 15 s; see [Cluster.Settle].
func (l *Link) Cut() error { return l.order(linkOrder{Cut: []string{l.a, l.b}}) }

// CutFrom cuts one direction: packets from this data centre do not arrive at
// the other, while those of the other do arrive.
func (l *Link) CutFrom(dc string) error {
	if dc != l.a && dc != l.b {
		return fmt.Errorf("cassandratest: the link between %s and %s has no end %q", l.a, l.b, dc)
	}
	return l.order(linkOrder{Cut: []string{dc}})
}

// Heal ends all cuts; delay, rate and loss are as before.
func (l *Link) Heal() error { return l.order(linkOrder{Heal: true}) }

// Traffic returns what was sent so far, from the data centre that was named
// first to the second, and back.
func (l *Link) Traffic() (there, back Traffic, err error) {
	answer, err := l.ask(linkOrder{})
	if err != nil {
		return there, back, err
	}
	return answer.Traffic[0], answer.Traffic[1], nil
}

func (l *Link) wrong(what string, value any) error {
	return fmt.Errorf("cassandratest: link between %s and %s: a %s of %v makes no sense", l.a, l.b, what, value)
}

func (l *Link) order(o linkOrder) error {
	_, err := l.ask(o)
	return err
}

func (l *Link) ask(o linkOrder) (reply, error) {
	o.A, o.B = l.a, l.b
	err := errNoLinks
	var answer reply
	if l.cluster.guard != nil {
		answer, err = l.cluster.lease.ask(context.Background(), request{Op: opLink, Link: &o}, l.cluster.progress)
	}
	if err != nil {
		return reply{}, fmt.Errorf("cassandratest: link between %s and %s: %w", l.a, l.b, err)
	}
	return answer, nil
}

var errNoLinks = errors.New("the cluster has no WAN: set Topology.WAN")

// Command returns a command that runs in the network of a data centre. It
// reaches the nodes of its data centre directly and those of others over the
// links. It has a loopback interface of its own, and this program reaches it at
// the address of any node of that data centre. It must end before the cluster
// does.
func (c *Cluster) Command(ctx context.Context, dc, program string, args ...string) (*exec.Cmd, error) {
	if c.guard == nil {
		return nil, fmt.Errorf("cassandratest: %w", errNoLinks)
	}
	path, ok := c.lease.layout.Namespaces[dc]
	if !ok {
		return nil, fmt.Errorf("cassandratest: no data centre is called %q", dc)
	}
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + path, program}, args...)...), nil
}

// link carries out an order.
func (k *keeper) link(o *linkOrder) ([]Traffic, error) {
	k.mu.Lock()
	f := k.fleet
	k.mu.Unlock()
	if f == nil || f.network == nil || o == nil {
		return nil, errNoLinks
	}
	return f.network.order(*o)
}

func (n *network) order(o linkOrder) ([]Traffic, error) {
	there, back := n.lines[course{o.A, o.B}], n.lines[course{o.B, o.A}]
	if there == nil {
		return nil, fmt.Errorf("there is none; the data centres are %s", n.names())
	}
	for from, l := range map[string]*line{o.A: there, o.B: back} {
		if o.Delay != nil {
			l.setDelay(*o.Delay)
		}
		if o.Rate != nil {
			l.setRate(*o.Rate)
		}
		if o.Loss != nil {
			seed := o.Seed
			if l == back {
				seed++ // two directions that lose the same packets would be odd
			}
			l.setLoss(*o.Loss, seed)
		}
		if o.Heal {
			l.setCut(false)
		}
		if slices.Contains(o.Cut, from) {
			l.setCut(true)
		}
	}
	return []Traffic{there.carried(), back.carried()}, nil
}

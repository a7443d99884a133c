package model

import "math/bits"

// set is a set of small numbers: of replicas, or of messages.
type set uint8

func first(n int) set           { return 1<<n - 1 }
func (s set) has(i int) bool    { return s>>i&1 != 0 }
func (s set) with(i int) set    { return s | 1<<i }
func (s set) without(i int) set { return s &^ (1 << i) }
func (s set) count() int        { return bits.OnesCount8(uint8(s)) }

// each is an iterator over the set.
func (s set) each(yield func(int) bool) {
	for ; s != 0; s &= s - 1 {
		if !yield(bits.TrailingZeros8(uint8(s))) {
			return
		}
	}
}

// cluster says how many replicas a row has in each of the two data centres; in
// the second one there may be none. The replicas of the first come first.
type cluster struct{ here, there int }

// level is a consistency level.
type level uint8

const (
	localQuorum level = iota // a quorum of the own data centre
	eachQuorum               // a quorum of each data centre
	all
)

func (c cluster) replicas() set { return first(c.here + c.there) }

// dc returns the replicas of a data centre, 0 or 1.
func (c cluster) dc(dc int) set {
	if dc == 0 {
		return first(c.here)
	}
	return c.replicas() &^ first(c.here)
}

// met reports whether the answers of some replicas are enough for a level, for
// a process in a data centre.
func (c cluster) met(l level, dc int, answers set) bool {
	switch l {
	case all:
		return answers == c.replicas()
	case eachQuorum:
		return quorum(answers, c.dc(0)) && (c.there == 0 || quorum(answers, c.dc(1)))
	}
	return quorum(answers, c.dc(dc))
}

func quorum(answers, of set) bool { return 2*(answers&of).count() > of.count() }

// order is an order of the replicas: the place of each one.
type order struct {
	place   [6]uint8
	changes bool
}

// order sorts the replicas of each data centre by key. Replicas of one data
// centre are alike, so that one order stands for all others.
func (c cluster) order(key func(replica int) uint64) order {
	var o order
	var keys [6]uint64
	for i := range c.here + c.there {
		k, place := key(i), i
		for j := i - 1; j >= 0 && (j >= c.here) == (i >= c.here); j-- {
			if keys[j] > k {
				o.place[j]++
				place--
				o.changes = true
			}
		}
		keys[i], o.place[i] = k, uint8(place)
	}
	return o
}

// sort puts the replicas of a set in the order.
func (o order) sort(s set) set {
	if !o.changes {
		return s
	}
	var sorted set
	for ; s != 0; s &= s - 1 {
		sorted |= 1 << o.place[bits.TrailingZeros8(uint8(s))]
	}
	return sorted
}

// row returns which sets a replica is in, as a number.
func row(sets []*set, replica int) uint64 {
	var in uint64
	for _, set := range sets {
		in = in<<1 | uint64(*set>>replica&1)
	}
	return in
}

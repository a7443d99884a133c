package cluster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
)

// The errors of [Cluster.Write] and [Cluster.Read], besides
// [cql.ErrTooManyTombstones].
var (
	// ErrUnavailable says that too many replicas are known to be down. Nothing
	// was sent.
	ErrUnavailable = errors.New("cluster: too many replicas are down")

	// ErrTimeout says that too few replicas answered in time. Some replicas may
	// have applied the write.
	ErrTimeout = errors.New("cluster: too few replicas answered in time")
)

// Levels that the library does not use, beside those of package cql.
const (
	Quorum   cql.Level = "QUORUM"
	One      cql.Level = "ONE"
	LocalOne cql.Level = "LOCAL_ONE"
)

// demand is what a level demands of the replicas.
type demand struct {
	level cql.Level
	local int   // index of the data centre of the coordinator
	of    []int // replicas in each data centre
	all   int   // replicas
}

func (c *Cluster) demand(level cql.Level, dc string) (demand, error) {
	d := demand{level: level, local: slices.Index(c.dcs, dc), of: c.replicas}
	if d.local < 0 {
		return d, fmt.Errorf("cluster: there is no data centre %q", dc)
	}
	switch level {
	case cql.LocalQuorum, cql.EachQuorum, cql.All, Quorum, One, LocalOne:
	default:
		return d, fmt.Errorf("cluster: no statement runs at the consistency level %q", level)
	}
	for _, n := range c.replicas {
		d.all += n
	}
	return d, nil
}

// There may be so many data centres, and so many replicas in all of them.
const (
	maxDCs      = 8
	maxReplicas = 24
)

// counts is a number of nodes for each data centre.
type counts [maxDCs]int

func (c *counts) sum() (n int) {
	for _, of := range c {
		n += of
	}
	return n
}

// met reports whether so many replicas are enough.
func (d demand) met(by *counts) bool {
	switch d.level {
	case cql.LocalQuorum:
		return by[d.local] >= d.of[d.local]/2+1
	case LocalOne:
		return by[d.local] >= 1
	case cql.EachQuorum:
		for dc, replicas := range d.of {
			if replicas > 0 && by[dc] < replicas/2+1 {
				return false
			}
		}
		return true
	case cql.All:
		return by.sum() >= d.all
	case Quorum:
		return by.sum() >= d.all/2+1
	default:
		return by.sum() >= 1
	}
}

// wants reports whether a read asks a node of this data centre, if it asks so
// many others already.
func (d demand) wants(dc int, asked *counts) bool {
	switch d.level {
	case cql.LocalQuorum, LocalOne:
		return dc == d.local && !d.met(asked)
	case cql.EachQuorum:
		return asked[dc] < d.of[dc]/2+1
	default:
		return !d.met(asked)
	}
}

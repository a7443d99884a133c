package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/popcask/popcask/internal/murmur3"
)

// tokensOfNode is the number of tokens of a node.
const tokensOfNode = 16

// position is a token of a node. The node has the part of the ring that ends
// there.
type position struct {
	token int64
	node  *Node
}

// placeAgain computes the ring after a change of the nodes or the replication.
func (c *Cluster) placeAgain() {
	c.epoch++
	c.ring = nil
	nodes := make([]int, len(c.dcs))
	for _, n := range c.nodes {
		nodes[n.dc]++
	}
	c.everyone = true
	for i := range nodes {
		c.everyone = c.everyone && (nodes[i] <= c.replicas[i])
	}
}

// positions returns the tokens of all nodes, sorted.
func (c *Cluster) positions() []position {
	if c.ring == nil {
		for _, n := range c.nodes {
			for i := range tokensOfNode {
				c.ring = append(c.ring, position{murmur3.Token(fmt.Appendf(nil, "%s/%d", n.Name, i)), n})
			}
		}
		slices.SortFunc(c.ring, func(a, b position) int { return cmp.Compare(a.token, b.token) })
	}
	return c.ring
}

// replicasAt returns the replicas of a token, in the order of the nodes, as if
// the node without was not there: in each data centre those that come next on
// the ring.
func (c *Cluster) replicasAt(token int64, without *Node) []*Node {
	ring := c.positions()
	first := sort.Search(len(ring), func(i int) bool { return ring[i].token >= token })
	chosen := make([]bool, len(c.nodes))
	counts := make([]int, len(c.dcs))
	for i := range ring {
		n := ring[(first+i)%len(ring)].node
		at := slices.Index(c.nodes, n)
		if n != without && !chosen[at] && counts[n.dc] < c.replicas[n.dc] {
			chosen[at] = true
			counts[n.dc]++
		}
	}
	var replicas []*Node
	for i, n := range c.nodes {
		if chosen[i] {
			replicas = append(replicas, n)
		}
	}
	return replicas
}

// replicasOf returns the replicas of a partition, in the order of the nodes. It
// must not be changed.
func (c *Cluster) replicasOf(k *partitionKey) []*Node {
	if c.everyone {
		return c.nodes
	}
	if k.epoch != c.epoch {
		k.epoch, k.replicas = c.epoch, c.replicasAt(k.token, nil)
	}
	return k.replicas
}

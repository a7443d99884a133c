package cluster

import (
	"math"
	"slices"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/murmur3"
)

// Page is a page of rows. Next is the state of the next page, nil after the
// last one.
type Page struct {
	Rows []Row
	Next []byte
}

// request is a [Read] on its way.
type request struct {
	*Read
	cluster *Cluster
	demand  demand
	env     *Env
	before  int64  // tombstones from before this time, in seconds, are forgotten
	fetched uint64 // the static columns that are read, as bits

	keys    []*partitionKey // of the part of the ring that is being read
	one     [1]*partitionKey
	answers []answer
	space   [8]answer
	views   [8]view
	used    int // of views
	page    Page
	last    mark
}

// Read reads a page, at a level, seen from a data centre. If the replicas that
// it asks differ, it writes to each of them what it lacks of what was read. If
// one of these writes does not arrive, the error is [ErrTimeout], and the
// others stay.
func (c *Cluster) Read(level cql.Level, dc string, r *Read, env Env) (Page, error) {
	d, err := c.demand(level, dc)
	if err != nil || r.nothing {
		return Page{}, err
	}
	q := &request{Read: r, cluster: c, demand: d, env: &env, before: env.Now().Unix() - r.table.gcGrace, fetched: r.static}
	if r.whole {
		q.fetched = math.MaxUint64
	}
	if r.key != nil {
		q.one[0] = r.key
		q.keys = q.one[:]
		err = q.readFrom(c.replicasOf(r.key))
	} else {
		err = q.readRing()
	}
	if err != nil {
		return Page{}, err
	}
	q.page.Next = q.next()
	return q.page, nil
}

// readRing reads a range of the ring, part by part: each part has the same
// replicas.
func (r *request) readRing() error {
	keys, after := r.cluster.keys[r.table.index], r.after
	for _, part := range r.cluster.parts(r.after, r.until) {
		r.keys = slices.Clone(r.skip(keys.between(after, part.until)))
		after = part.until
		if err := r.readFrom(part.replicas); err != nil {
			return err
		}
		if len(r.page.Rows) == r.rows {
			break
		}
	}
	return nil
}

// skip leaves out the partitions of the pages before.
func (r *request) skip(keys []*partitionKey) []*partitionKey {
	if r.resume == nil {
		return keys
	}
	at := partitionKey{key: r.resume.key, token: murmur3.Token([]byte(r.resume.key))}
	for len(keys) > 0 {
		order := compareKeys(keys[0], &at)
		if order > 0 || order == 0 && !r.resume.all {
			break
		}
		keys = keys[1:]
	}
	return keys
}

// ringPart is a part of the ring, up to a token, whose partitions have the same
// replicas.
type ringPart struct {
	until    int64
	replicas []*Node
}

// parts returns the parts of a range of the ring.
func (c *Cluster) parts(after, until int64) []ringPart {
	if c.everyone {
		return []ringPart{{until, c.nodes}}
	}
	var parts []ringPart
	add := func(part ringPart) {
		if n := len(parts); n > 0 && sameNodes(parts[n-1].replicas, part.replicas) {
			parts[n-1].until = part.until
			return
		}
		parts = append(parts, part)
	}
	for _, p := range c.positions() {
		if p.token > after && p.token < until {
			add(ringPart{p.token, c.replicasAt(p.token, nil)})
		}
	}
	add(ringPart{until, c.replicasAt(until, nil)})
	return parts
}

func sameNodes(a, b []*Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// readFrom reads the partitions that have these replicas.
func (r *request) readFrom(replicas []*Node) error {
	r.answers, r.used = r.space[:0], 0
	if err := r.choose(replicas); err != nil {
		return err
	}
	defer func() {
		for i := range r.answers {
			r.answers[i].leave()
		}
	}()
	arrived := true
	for i := range r.answers {
		if r.env.send(r.answers[i].node) != Arrives {
			arrived = false
			continue
		}
		r.look(&r.answers[i])
	}
	if !arrived {
		return ErrTimeout
	}
	for i := range r.answers {
		if err := r.measure(&r.answers[i], r.rows-len(r.page.Rows)); err != nil {
			return err
		}
	}
	return r.merge()
}

// choose finds the replicas to ask.
func (r *request) choose(replicas []*Node) error {
	var live [maxReplicas]*Node
	candidates := live[:0]
	local := r.demand.level == cql.LocalQuorum || r.demand.level == LocalOne
	var there counts
	for _, n := range replicas {
		if (!local || n.dc == r.demand.local) && !r.env.down(n) {
			candidates = append(candidates, n)
			there[n.dc]++
		}
	}
	if !r.demand.met(&there) {
		return ErrUnavailable
	}
	if r.env.Prefer != nil {
		r.ask(r.env.Prefer(candidates), func(*Node) bool { return true })
		return nil
	}
	r.ask(candidates, func(n *Node) bool { return n.dc == r.demand.local })
	r.ask(candidates, func(n *Node) bool { return n.dc != r.demand.local })
	return nil
}

// ask adds to the replicas to ask those that the level needs.
func (r *request) ask(candidates []*Node, choose func(*Node) bool) {
	var asked counts
	for i := range r.answers {
		asked[r.answers[i].node.dc]++
	}
	for _, n := range candidates {
		if choose(n) && r.demand.wants(n.dc, &asked) {
			asked[n.dc]++
			r.answers = append(r.answers, answer{node: n})
		}
	}
}

// viewsOf returns space for the views of an answer.
func (r *request) viewsOf(n int) []view {
	if r.used+n > len(r.views) {
		return make([]view, n)
	}
	r.used += n
	return r.views[r.used-n : r.used]
}

// next returns the state of the next page. A page that is full has a next one,
// which may be empty, unless nothing more can come.
func (r *request) next() []byte {
	if r.limit > 0 && r.limit <= r.st.Rows { // such a read has no pages
		return nil
	}
	if len(r.page.Rows) < r.rows || r.left == r.rows || r.key != nil && r.last.all {
		return nil
	}
	left := r.left
	if left != math.MaxInt {
		left -= r.rows
	}
	return r.last.state(left)
}

package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/faults"
)

// State is something that can be said of a data centre and a message, as a
// number: which nodes have its content, its membership, its entry in the index
// and its claim, and which of them do not answer or take no writes, without
// their names; what is known of a fence and of a seal of its bucket; whether it
// is older than the horizon, whether a replica has forgotten something, and
// whether a host is frozen. As long as something is late it says less. A search
// goes on from the states that it came to.
type State uint64

// Sighting is a state, and how many events with an effect it took to come to
// it.
type Sighting struct {
	State  State
	Events int
}

// sight notes the states of the messages that were delivered last.
func (w *world) sight() {
	const most = 4 // messages
	frozen := slices.ContainsFunc(w.hosts, func(h *host) bool { return h.frozen })
	if len(w.late) > 0 {
		w.sighted(w.forgotten, frozen, w.cut)
		return
	}
	looked := 0
	for _, op := range slices.Backward(w.ops) {
		if op.Kind != faults.Deliver || op.Outcome != faults.OK {
			continue
		}
		if looked++; looked > most {
			break
		}
		id, err := cassandra.ParseMessageID(op.Message.ID)
		if err != nil {
			continue
		}
		holds, closed := make(map[string][]int), make(map[string]int) // by data centre
		for _, n := range w.nodes {
			if !n.gone {
				holds[n.DC] = append(holds[n.DC], n.Holds(id)<<1|number(n.down || n.overloaded))
				closed[n.DC] |= w.closed(n, op.User, id)
			}
		}
		for _, dc := range slices.Sorted(maps.Keys(holds)) {
			nodes := holds[dc]
			slices.Sort(nodes)
			nodes = nodes[max(0, len(nodes)-3):] // the others are no replicas
			w.sighted(w.forgotten, frozen, time.Since(op.Return) > w.horizon, nodes, closed[dc])
		}
	}
}

// closed says, in bits, what a node knows of the end of a mailbox's bucket:
// whether there is a fence above a message, whether a message was put back, and
// whether a seal has the message or leaves it out.
func (w *world) closed(n *node, user string, id cassandra.MessageID) int {
	of, _, _ := w.hosts[0].worker.Store.Mailbox(user)
	box := [16]byte(of)
	microseconds := func(octets string) int64 {
		if len(octets) < 8 {
			return 0
		}
		return int64(binary.BigEndian.Uint64([]byte(octets)))
	}
	known := number(microseconds(n.Value("ledger", "fence", box, int64(-1))) >= id.Timestamp())
	if n.Value("ledger", "opened", box, id.Bucket()) != "" {
		known |= 2
	}
	seal := n.Value("ledger", "seal", box, id.Bucket()) // an octet, its end, `opened`, and the messages
	switch {
	case len(seal) < 17 || microseconds(seal[1:]) < id.Timestamp():
	case strings.Contains(seal[17:], string(id[:])):
		known |= 4
	default:
		known |= 8
	}
	return known
}

// sighted notes the state that some values stand for. Clusters have no states in
// common.
func (w *world) sighted(values ...any) {
	sum := fnv.New64a()
	fmt.Fprintln(sum, w.history.Cluster, values)
	w.states = append(w.states, Sighting{State(sum.Sum64()), len(w.met)})
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

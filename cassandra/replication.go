package cassandra

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
)

// Replication is the number of replicas in each data centre, by its name.
type Replication map[string]int

// ParseReplication reads the form "dc1:3,dc2:3".
func ParseReplication(text string) (Replication, error) {
	replication := make(Replication)
	for _, part := range strings.Split(text, ",") {
		name, count, ok := strings.Cut(strings.TrimSpace(part), ":")
		n, err := strconv.Atoi(count)
		if !ok || name == "" || err != nil || n < 1 {
			return nil, fmt.Errorf("cassandra: replication %q: want a data centre and its replicas, as in dc1:3,dc2:3", part)
		}
		if _, twice := replication[name]; twice {
			return nil, fmt.Errorf("cassandra: replication: data centre %q comes twice", name)
		}
		replication[name] = n
	}
	return replication, nil
}

// String returns the form that ParseReplication reads.
func (r Replication) String() string {
	parts := make([]string, 0, len(r))
	for _, name := range slices.Sorted(maps.Keys(r)) {
		parts = append(parts, fmt.Sprintf("%s:%d", name, r[name]))
	}
	return strings.Join(parts, ",")
}

// fits returns an error if a data centre has fewer nodes than replicas. Cassandra
// takes such a keyspace, and then may have no quorum for it.
func (r Replication) fits(nodes map[string]int) error {
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if n := nodes[name]; n < r[name] {
			unit := "nodes"
			if n == 1 {
				unit = "node"
			}
			return fmt.Errorf("replication %s: %d replicas wanted, %s has %d %s", r, r[name], name, n, unit)
		}
	}
	return nil
}

// replicationText returns the replication of a keyspace in the form that the
// settings have.
func replicationText(replication map[string]string) string {
	parts := make([]string, 0, len(replication))
	for _, name := range slices.Sorted(maps.Keys(replication)) {
		parts = append(parts, name+"="+replication[name])
	}
	return strings.Join(parts, " ")
}

// replicationRested reports whether the replication of the keyspace has not
// changed for [Config.ReplicationRest]. The first host that notices a change
// writes it into the settings. now is the clock of a node: a host whose clock is
// years ahead would note a change that lies years ahead.
func (s *Session) replicationRested(ctx context.Context, now time.Time) (bool, error) {
	_, current, err := s.cluster.Tables(ctx, s.config.Keyspace)
	if err != nil {
		return false, err
	}
	text := replicationText(current)
	since, err := s.noteReplication(ctx, text, now.UnixMicro())
	return now.Sub(time.UnixMicro(since)) >= s.config.ReplicationRest, err
}

// noteReplication returns since when the keyspace has this replication, in
// microseconds. If the settings have another one, it writes this one, as of
// now. The timestamp is that moment, so that the last change wins in any order.
func (s *Session) noteReplication(ctx context.Context, text string, now int64) (since int64, err error) {
	noted := ""
	err = cql.Each(ctx, s.db, cql.EachQuorum, selectReplication, func(row cql.Row) error { return row.Scan(&noted, &since) }, settingsID)
	if err != nil || noted == text {
		return since, err
	}
	return now, s.db.Exec(ctx, cql.EachQuorum, insertReplication, now, settingsID, text, now)
}

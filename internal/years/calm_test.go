package years

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/sim/cluster"
)

// keyspace is the keyspace of the store.
const keyspace = "mail"

// calm is a connection to a simulated cluster of one node in which nothing ever
// fails. It counts what the statements cost, and takes as long as they would.
type calm struct {
	mu      sync.Mutex
	cluster *cluster.Cluster
	spent   Cost
}

var _ driver.Connection = (*calm)(nil)

const dc = "dc1"

func newCalm() *calm {
	return &calm{cluster: cluster.New(cluster.DC{Name: dc, Nodes: 1, Replicas: 1})}
}

// context returns a context with which the library connects to the cluster.
func (c *calm) context() context.Context {
	return driver.WithConnect(context.Background(), func(ctx context.Context, config driver.Config) (driver.Connection, error) {
		if config.Check == nil {
			return c, nil
		}
		return c, config.Check(ctx, c)
	})
}

// Exec implements [cql.DB].
func (c *calm) Exec(_ context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	return c.write(level, []cql.Write{{Statement: st, Timestamp: timestamp, Values: values}})
}

// ExecBatch implements [cql.DB].
func (c *calm) ExecBatch(_ context.Context, level cql.Level, b *cql.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if err := b.Check(); err != nil {
		return err
	}
	return c.write(level, b.Writes())
}

func (c *calm) write(level cql.Level, writes []cql.Write) error {
	time.Sleep(Cost{Statements: 1}.time())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spent.Statements++
	m, err := c.cluster.Mutation(writes, time.Now())
	if err != nil {
		return err
	}
	_, err = c.cluster.Write(level, dc, m, cluster.Env{Now: time.Now})
	return err
}

// Page implements [cql.DB].
func (c *calm) Page(_ context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) (next []byte, err error) {
	page, cost, err := c.page(level, st, state, values)
	time.Sleep(cost.time())
	if err != nil {
		return nil, err
	}
	for _, row := range page.Rows {
		if err := scan(row); err != nil {
			return nil, err
		}
	}
	return page.Next, nil
}

func (c *calm) page(level cql.Level, st *cql.Statement, state []byte, values []any) (page cluster.Page, cost Cost, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	read, err := c.cluster.NewRead(st, state, values)
	if err != nil {
		return page, cost, err
	}
	before := c.cluster.Met()
	page, err = c.cluster.Read(level, dc, read, cluster.Env{Now: time.Now})
	met := c.cluster.Met()
	cost = Cost{1, keysIn(values), met.Rows - before.Rows, met.Tombstones - before.Tombstones}
	c.spent = c.spent.plus(cost)
	return page, cost, err
}

// keysIn returns how many rows a statement asks for by key.
func keysIn(values []any) (n int) {
	for _, v := range values {
		switch v := v.(type) {
		case [][16]byte:
			n += len(v)
		case []int64:
			n += len(v)
		}
	}
	return n
}

// DataCentres implements [driver.Connection].
func (c *calm) DataCentres() map[string]int { return map[string]int{dc: 1} }

// Tables implements [driver.Connection].
func (c *calm) Tables(_ context.Context, name string) (tables map[string][]string, replication map[string]string, err error) {
	if name != keyspace {
		return nil, nil, fmt.Errorf("%w: %s", driver.ErrNoKeyspace, name)
	}
	replication = map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy", dc: strconv.Itoa(c.cluster.Replication()[dc])}
	return c.cluster.Columns(), replication, nil
}

// TableID implements [driver.Connection].
func (c *calm) TableID(context.Context, string, string) ([16]byte, error) { return [16]byte{1}, nil }

// Define implements [driver.Connection].
func (c *calm) Define(_ context.Context, statement string) error { return c.cluster.Define(statement) }

// Clock implements [driver.Connection].
func (c *calm) Clock(context.Context) (time.Time, error) { return time.Now(), nil }

// Close implements [driver.Connection].
func (c *calm) Close() {}

// compact forgets the tombstones that are older than gc_grace_seconds.
func (c *calm) compact() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.cluster.Nodes() {
		n.Compact(time.Now())
	}
	c.cluster.Vacuum()
}

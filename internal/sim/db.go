package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
	"github.com/popcask/popcask/internal/sim/cluster"
)

// db is the connection of a host to the simulated cluster. It tries again as
// package driver does.
type db struct{ *host }

var _ driver.Connection = db{}

var (
	errKilled = errors.New("sim: the process was killed")
	errNoNode = errors.New("sim: no node answers")
)

// nodeTimeout is how long a coordinator waits for its replicas.
const nodeTimeout = 2 * time.Second

// Exec implements [cql.DB].
func (d db) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	if st.Kind == cql.Select {
		return fmt.Errorf("sim: a read is run as a write: %s", st)
	}
	return d.write(ctx, level, []cql.Write{{Statement: st, Timestamp: timestamp, Values: values}})
}

// ExecBatch implements [cql.DB].
func (d db) ExecBatch(ctx context.Context, level cql.Level, b *cql.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	if err := b.Check(); err != nil {
		return err
	}
	return d.write(ctx, level, b.Writes())
}

func (d db) write(ctx context.Context, level cql.Level, writes []cql.Write) error {
	st, values := writes[0].Statement, writes[0].Values
	return d.attempt(ctx, level, st, values, func(r *request) error {
		m, err := d.world.cluster.Mutation(writes, time.Now())
		if err != nil {
			return err
		}
		missed, err := d.world.cluster.Write(level, d.dc, m, r.env())
		for _, n := range missed {
			r.miss(d.world.node(n), m, err)
		}
		return err
	})
}

// Page implements [cql.DB].
func (d db) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) (next []byte, err error) {
	if st.Kind != cql.Select {
		return nil, fmt.Errorf("sim: a write is run as a read: %s", st)
	}
	var page cluster.Page
	order := values
	if state != nil {
		order = append(slices.Clone(values), state)
	}
	err = d.attempt(ctx, level, st, order, func(r *request) error {
		read, err := d.world.cluster.NewRead(d.world.paged(st), state, values)
		if err == nil {
			page, err = d.world.cluster.Read(level, d.dc, read, r.env())
		}
		return err
	})
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

// shortened are the statements that read shorter pages, by the statement and the
// rows of its pages.
var shortened sync.Map

type shortKey struct {
	of   *cql.Statement
	rows int
}

// paged returns a statement that reads pages of no more rows than the history
// says.
func (w *world) paged(st *cql.Statement) *cql.Statement {
	rows := w.history.Page
	if rows == 0 || st.Rows <= rows {
		return st
	}
	short, ok := shortened.Load(shortKey{st, rows})
	if !ok {
		of := *st
		of.Rows = rows
		short, _ = shortened.LoadOrStore(shortKey{st, rows}, &of)
	}
	return short.(*cql.Statement)
}

// attempt runs a statement, and tries again by the rule of [driver.Session]. Its
// pauses are not random.
func (d db) attempt(ctx context.Context, level cql.Level, st *cql.Statement, values []any, do func(*request) error) error {
	exactly := func(pause time.Duration) time.Duration { return pause }
	return driver.Retry(ctx, level, driver.DefaultRetries, passes, exactly, func(int) error {
		return d.once(ctx, level, st, values, do)
	})
}

// passes reports whether a statement that failed with err may succeed at
// another try.
func passes(err error) bool {
	return errors.Is(err, cluster.ErrTimeout) || errors.Is(err, cluster.ErrUnavailable) || errors.Is(err, errNoNode)
}

// once is one attempt.
func (d db) once(ctx context.Context, level cql.Level, st *cql.Statement, values []any, do func(*request) error) error {
	if err := d.turn(ctx, st, values); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	err := d.ask(&request{host: d.host, ctx: ctx, level: level, statement: st, values: values}, do)
	if errors.Is(err, cluster.ErrTimeout) {
		sleep(ctx, nodeTimeout)
	}
	return err
}

// ask sends a statement to a node of the host's data centre. If all is quiet,
// several goroutines may do so at the same time.
func (d db) ask(r *request, do func(*request) error) error {
	w := d.world
	w.mu.Lock()
	if r.quiet = w.inline; r.quiet {
		defer w.mu.Unlock()
	} else {
		w.mu.Unlock()
	}
	if r.coordinator = d.coordinator(); r.coordinator == nil {
		w.noted(r, errNoNode)
		return errNoNode
	}
	var err error
	r.farIsLate = r.statement.Kind != cql.Select && !r.quiet && w.chance.once(5)
	loses, applies := d.loses()
	if !loses || applies {
		err = do(r)
	}
	if loses {
		err = fmt.Errorf("%w: no answer of %s", cluster.ErrTimeout, r.coordinator.Name)
	}
	w.noted(r, err)
	return err
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// coordinator returns a node of the host's data centre that answers, or nil.
func (h *host) coordinator() *node {
	var up []*node
	for _, n := range h.world.nodes {
		if n.DC == h.dc && !n.gone && (!n.down || h.world.connecting) {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return nil
	}
	return up[h.world.chance.below(len(up))]
}

// DataCentres implements [driver.Connection].
func (d db) DataCentres() map[string]int {
	centres := make(map[string]int)
	for _, n := range d.world.nodes {
		if !n.gone {
			centres[n.DC]++
		}
	}
	return centres
}

// Tables implements [driver.Connection].
func (d db) Tables(_ context.Context, name string) (tables map[string][]string, replication map[string]string, err error) {
	tables = d.world.cluster.Columns()
	if name != keyspace {
		return nil, nil, driver.ErrNoKeyspace
	}
	replication = map[string]string{"class": "org.apache.cassandra.locator.NetworkTopologyStrategy"}
	for dc, n := range d.world.cluster.Replication() {
		if n > 0 {
			replication[dc] = strconv.Itoa(n)
		}
	}
	return tables, replication, d.err()
}

// TableID implements [driver.Connection].
func (d db) TableID(context.Context, string, string) ([16]byte, error) { return [16]byte{1}, d.err() }

// Define implements [driver.Connection].
func (d db) Define(_ context.Context, statement string) error {
	return d.world.cluster.Define(statement)
}

// Clock implements [driver.Connection].
func (d db) Clock(context.Context) (time.Time, error) {
	if d.coordinator() == nil {
		return time.Time{}, errNoNode
	}
	now := time.Now()
	if d.world.planted.Agrees {
		now = now.Add(d.skew)
	}
	return now, d.err()
}

// Close implements [driver.Connection].
func (d db) Close() {}

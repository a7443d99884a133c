package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/popcask/popcask/cassandra/cql"
)

// Read is a read of one page.
type Read struct {
	*plan
	key          *partitionKey // nil: a range of the ring
	after, until int64         // the range: larger than after, at most until
	spans        []span        // of rows
	nothing      bool          // it cannot find anything, and asks no replica

	resume *mark // where the page before ended; nil on the first page
	left   int   // rows until the limit; math.MaxInt: no limit
	rows   int   // rows in this page, at most
}

// mark is the last row of a page.
type mark struct {
	key string // of the partition
	row string // key of the row
	all bool   // nothing is left of the partition
}

// NewRead makes a read of one page: the first one if state is nil, else that
// after the page whose Next it is.
func (c *Cluster) NewRead(st *cql.Statement, state []byte, values []any) (*Read, error) {
	p, err := c.schema.plan(st)
	if err != nil {
		return nil, err
	}
	if st.Kind != cql.Select {
		return nil, fmt.Errorf("cluster: a write is run as a read: %s", st)
	}
	r := &Read{plan: p, left: math.MaxInt}
	if p.limit > 0 {
		r.left = p.limit
	}
	if p.tokens {
		err = r.takeTokens(values)
	} else {
		err = r.takeKey(c, values)
	}
	if err == nil && state != nil {
		err = r.takeState(state)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, st)
	}
	r.rows = min(r.left, st.Rows)
	return r, nil
}

// takeTokens reads the ends of a range of the ring.
func (r *Read) takeTokens(values []any) error {
	r.spans = []span{{endless: true}}
	r.after, r.until = math.MinInt64, math.MinInt64
	for _, c := range r.st.Clauses {
		if c.Op == cql.OpLimit {
			continue
		}
		if len(values) == 0 {
			return errCount
		}
		token, ok := values[0].(int64)
		if !ok {
			return fmt.Errorf("cluster: %T is no token", values[0])
		}
		if values = values[1:]; c.Op == cql.OpTokenAfter {
			r.after = token
		} else {
			r.until = token
		}
	}
	if len(values) > 0 {
		return errCount
	}
	// The ring begins and ends there. The nodes are asked, whatever a range to
	// its end begins with.
	if r.until == math.MinInt64 {
		r.until = math.MaxInt64
	} else {
		r.nothing = r.after != math.MinInt64 && r.after >= r.until
	}
	return nil
}

// takeKey reads the values of the clauses on columns.
func (r *Read) takeKey(c *Cluster, values []any) error {
	t := r.table
	n := len(t.partition)
	if len(values) < n {
		return errCount
	}
	b := binding{plan: r.plan, noRow: true}
	if err := b.takeKey(values[:n]); err != nil {
		return err
	}
	r.key = c.keys[t.index].get(t, b.key)
	values = values[n:]
	equal := 0
	for _, clause := range r.st.Clauses {
		if clause.Op == cql.OpEqual {
			equal += len(clause.Columns)
		}
	}
	if equal -= n; len(values) < equal {
		return errCount
	}
	prefix, err := encodeClustering(t, values[:equal])
	if err != nil {
		return err
	}
	return r.takeRange(prefix, equal, values[equal:])
}

// takeRange reads the values of the clauses on the last clustering column.
func (r *Read) takeRange(prefix string, column int, values []any) error {
	r.spans = []span{spanOf(prefix)}
	for _, clause := range r.st.Clauses {
		if clause.Op == cql.OpEqual || clause.Op == cql.OpLimit {
			continue
		}
		if len(values) == 0 {
			return errCount
		}
		value := values[0]
		values = values[1:]
		if clause.Op == cql.OpIn {
			if err := r.takeIn(prefix, column, value); err != nil {
				return err
			}
			continue
		}
		key, err := r.encode(prefix, column, value)
		if err != nil {
			return err
		}
		if clause.Op == cql.OpAtLeast {
			r.spans[0].low = key
		} else {
			r.spans[0].end, r.spans[0].endless = successor(key)
		}
	}
	if len(values) > 0 {
		return errCount
	}
	if len(r.spans) == 0 || r.spans[0].empty() {
		r.spans = nil
		// An IN of no rows is sent all the same if it reads static columns.
		r.nothing = !r.exact || r.static == 0 || len(r.table.static) == 0
	}
	return nil
}

func (r *Read) encode(prefix string, column int, value any) (string, error) {
	kind := r.table.clustering[column].kind
	octets, present, err := kind.serialise(nil, value)
	if err != nil {
		return "", err
	}
	if !present {
		return "", errors.New("cluster: a clause with null")
	}
	return string(kind.encode([]byte(prefix), string(octets))), nil
}

// takeIn reads the slice of an IN.
func (r *Read) takeIn(prefix string, column int, slice any) error {
	values, err := elements(slice)
	if err != nil {
		return err
	}
	r.spans = r.spans[:0]
	for _, value := range values {
		key, err := r.encode(prefix, column, value)
		if err != nil {
			return err
		}
		r.spans = append(r.spans, spanOf(key))
	}
	r.spans = sorted(r.spans)
	return nil
}

func elements(slice any) ([]any, error) {
	switch s := slice.(type) {
	case [][16]byte:
		return anys(s), nil
	case []int64:
		return anys(s), nil
	case []int:
		return anys(s), nil
	case []string:
		return anys(s), nil
	case [][]byte:
		return anys(s), nil
	case []bool:
		return anys(s), nil
	}
	return nil, fmt.Errorf("cluster: IN has a slice, not %T", slice)
}

func anys[T any](slice []T) []any {
	all := make([]any, len(slice))
	for i, v := range slice {
		all[i] = v
	}
	return all
}

// A state is the number of rows left until the limit, 0 for none, the length of
// the key of the partition, that key, 0 or 1 if there is more of it, and the
// key of the row.

func (m *mark) state(left int) []byte {
	if left == math.MaxInt {
		left = 0
	}
	state := binary.AppendUvarint(nil, uint64(left))
	state = binary.AppendUvarint(state, uint64(len(m.key)))
	state = append(state, m.key...)
	if m.all {
		return append(state, 0)
	}
	return append(append(state, 1), m.row...)
}

var errState = errors.New("cluster: this is no state of a page")

func (r *Read) takeState(state []byte) error {
	left, n := binary.Uvarint(state)
	if n <= 0 {
		return errState
	}
	state = state[n:]
	size, n := binary.Uvarint(state)
	if n <= 0 || uint64(len(state)-n) <= size {
		return errState
	}
	key, state := string(state[n:n+int(size)]), state[n+int(size):]
	if left > 0 {
		r.left = int(left)
	}
	r.resume = &mark{key: key, all: state[0] == 0, row: string(state[1:])}
	if r.key != nil {
		if r.resume.all || key != r.key.key {
			return errState
		}
		var spans []span
		for _, s := range r.spans {
			if s = s.after(r.resume.row); !s.empty() {
				spans = append(spans, s)
			}
		}
		r.spans = spans
	}
	return nil
}

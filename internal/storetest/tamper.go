package storetest

import (
	"context"
	"slices"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// Call is a statement on its way to the cluster. In a batch, a change of the
// level has no effect.
type Call struct {
	Statement string // its text
	Level     cql.Level
	Timestamp int64 // in microseconds; 0 for a read
	Values    []any // of the statement, in its order
	Drop      bool  // it is not sent: a write is acknowledged, a read finds nothing
}

// IsFence reports whether the call writes the fence of a mailbox.
func (c *Call) IsFence() bool {
	return strings.HasPrefix(c.Statement, "INSERT INTO ledger") && strings.Contains(c.Statement, "fence")
}

// IsProof reports whether the call reads memberships, or what is listed, on
// every replica, as a proof does. The membership of one message is also read so
// by a session that does not find its content.
func (c *Call) IsProof() bool {
	of := strings.Contains(c.Statement, "FROM mailbox_message") || strings.Contains(c.Statement, "FROM projection")
	return strings.HasPrefix(c.Statement, "SELECT") && of && c.Level == cql.All && !strings.Contains(c.Statement, "message_id=?")
}

// Rename writes everything about a message with the ID that as returns, and
// with the timestamp of that one. It leaves reads alone.
func (c *Call) Rename(as func(cassandra.MessageID) cassandra.MessageID) {
	if c.Timestamp == 0 {
		return
	}
	for i, value := range c.Values {
		octets, ok := value.([16]byte)
		id := cassandra.MessageID(octets)
		if _, err := cassandra.ParseMessageID(id.String()); !ok || err != nil {
			continue // of a mailbox
		}
		if other := as(id); other != id {
			c.Values[i] = [16]byte(other)
			c.Timestamp += other.Timestamp() - id.Timestamp()
		}
	}
}

// Tamper returns a Wrap of a [cassandra.Config] that calls change for every
// statement, which may alter or drop it. It plants a bug, for tests that check
// that the bug is found. change is called from several goroutines.
func Tamper(change func(*Call)) func(cql.DB) cql.DB {
	return func(db cql.DB) cql.DB { return tampered{db, change} }
}

type tampered struct {
	cql.DB
	change func(*Call)
}

func (d tampered) call(level cql.Level, st *cql.Statement, timestamp int64, values []any) Call {
	call := Call{Statement: st.String(), Level: level, Timestamp: timestamp, Values: slices.Clone(values)}
	d.change(&call)
	return call
}

// Exec implements [cql.DB].
func (d tampered) Exec(ctx context.Context, level cql.Level, st *cql.Statement, timestamp int64, values ...any) error {
	call := d.call(level, st, timestamp, values)
	if call.Drop {
		return nil
	}
	return d.DB.Exec(ctx, call.Level, st, call.Timestamp, call.Values...)
}

// ExecBatch implements [cql.DB].
func (d tampered) ExecBatch(ctx context.Context, level cql.Level, b *cql.Batch) error {
	var changed cql.Batch
	for _, w := range b.Writes() {
		if call := d.call(level, w.Statement, w.Timestamp, w.Values); !call.Drop {
			changed.Add(w.Statement, call.Timestamp, call.Values...)
		}
	}
	return d.DB.ExecBatch(ctx, level, &changed)
}

// Page implements [cql.DB].
func (d tampered) Page(ctx context.Context, level cql.Level, st *cql.Statement, state []byte, scan func(cql.Row) error, values ...any) ([]byte, error) {
	call := d.call(level, st, 0, values)
	if call.Drop {
		return nil, nil
	}
	return d.DB.Page(ctx, call.Level, st, state, scan, call.Values...)
}

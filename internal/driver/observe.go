package driver

import (
	"context"
	"regexp"
	"strings"

	"github.com/gocql/gocql"

	"github.com/popcask/popcask/cassandra/cql"
)

// observer reports one attempt at a statement.
type observer struct {
	level   cql.Level
	attempt int
	tell    func(cql.Observation)
}

// ObserveQuery implements [gocql.QueryObserver].
func (o observer) ObserveQuery(ctx context.Context, q gocql.ObservedQuery) {
	o.tell(cql.Observation{
		Context: ctx, Statement: q.Statement, Consistency: string(o.level), Conditional: conditional(q.Statement),
		Host: hostName(q.Host), Attempt: o.attempt, Start: q.Start, End: q.End, Rows: q.Rows, Err: q.Err,
	})
}

// ObserveBatch implements [gocql.BatchObserver].
func (o observer) ObserveBatch(ctx context.Context, b gocql.ObservedBatch) {
	o.tell(cql.Observation{
		Context: ctx, Statement: b.Statements[0], Batch: len(b.Statements), Consistency: string(o.level),
		Conditional: conditional(strings.Join(b.Statements, ";")),
		Host:        hostName(b.Host), Attempt: o.attempt, Start: b.Start, End: b.End, Err: b.Err,
	})
}

func hostName(host *gocql.HostInfo) string {
	if host == nil {
		return ""
	}
	return host.HostnameAndPort()
}

var condition = regexp.MustCompile(`(?i)\bIF\b`)

// conditional reports whether a statement is a lightweight transaction (P9). IF
// is a reserved word of CQL, so nothing else is called that.
func conditional(text string) bool {
	return condition.MatchString(text) && !strings.HasPrefix(strings.ToUpper(text), "CREATE ")
}

package users

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cql"
)

// schema is the table. A value and the time of its change are one cell, whose
// timestamp is that time: of two columns Cassandra could keep one of each.
const schema = `CREATE TABLE IF NOT EXISTS users (
    name text PRIMARY KEY,      -- canonical
    secret text,                -- microseconds, a blank, and a text of package secret
    state text,                 -- microseconds, a blank, and active or disabled
    alias text                  -- microseconds, a blank, and the canonical name of a user, or nothing
) WITH compaction = {'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L10'}
  AND gc_grace_seconds = 864000
  AND read_repair = 'BLOCKING'
  AND speculative_retry = 'MIN(99p,50ms)'`

// Migrate makes the table, unless it exists. Call it from one place at a time,
// before the hosts start.
func Migrate(ctx context.Context, session *cassandra.Session) error {
	if err := session.Define(ctx, schema); err != nil {
		return err
	}
	u := &Users{session: session, db: session.DB()}
	there, err := u.read(ctx, decoyName)
	if err != nil || there.secret.value != "" {
		return err
	}
	// The timestamp is that of every first key, so that the larger of two wins.
	first := dated{1, rand.Text() + rand.Text()}
	for _, level := range []cql.Level{cql.EachQuorum, cql.LocalQuorum} {
		if err = u.db.Exec(ctx, level, insertSecret, first.at, decoyName, first.text()); err == nil {
			return nil
		}
	}
	return fmt.Errorf("users: write the key of the decoy: %w", err)
}

// decoyName is the row that has the key of the secret.Decoy of all hosts. No user
// can have the name.
const decoyName = "\x00decoy"

var userTable = cql.Table{
	Name:      "users",
	Partition: []string{"name"},
	Columns:   []string{"secret", "state", "alias"},
}

const listPage = 1000

var (
	insertSecret = userTable.Insert("secret")
	insertState  = userTable.Insert("state")
	insertAlias  = userTable.Insert("alias")
	selectUser   = userTable.Select(2, "secret", "state", "alias").Where(cql.Equal("name"))
	selectUsers  = userTable.Select(listPage, "name", "secret", "state", "alias").Where(cql.TokenAfter())
)

// dated is a value and the time of its change in microseconds, which is the
// timestamp of its cell. The zero value was never written.
type dated struct {
	at    int64
	value string
}

func (d dated) text() string { return strconv.FormatInt(d.at, 10) + " " + d.value }

func parseDated(cell *string) (d dated, err error) {
	if cell == nil {
		return d, nil
	}
	at, value, found := strings.Cut(*cell, " ")
	d.value = value
	if d.at, err = strconv.ParseInt(at, 10, 64); err != nil || !found || d.at == math.MaxInt64 {
		return d, fmt.Errorf("a value of the table users is not of the form MICROSECONDS VALUE")
	}
	return d, nil
}

// row is what the table has of a name.
type row struct{ secret, state, alias dated }

// The states of a user. At the same time the larger one wins.
const (
	active   = "active" // or nothing
	disabled = "disabled"
)

func scanRow(r cql.Row, name *string) (u row, err error) {
	var secret, state, alias *string
	columns := []any{&secret, &state, &alias}
	if name != nil {
		columns = append([]any{name}, columns...)
	}
	if err := r.Scan(columns...); err != nil {
		return u, err
	}
	for _, cell := range []struct {
		to   *dated
		from *string
	}{{&u.secret, secret}, {&u.state, state}, {&u.alias, alias}} {
		if *cell.to, err = parseDated(cell.from); err != nil {
			return u, err
		}
	}
	return u, nil
}

// read reads the row of a canonical name; of one that has none, the zero row.
func (u *Users) read(ctx context.Context, name string) (found row, err error) {
	err = cql.Each(ctx, u.db, cql.LocalQuorum, selectUser, func(r cql.Row) error {
		found, err = scanRow(r, nil)
		return err
	}, name)
	if err != nil {
		return row{}, fmt.Errorf("users: read %q: %w", name, err)
	}
	return found, nil
}

// write writes a value of a name that comes after the one that is there, in all
// data centres if they can be reached, else in the local one.
func (u *Users) write(ctx context.Context, st *cql.Statement, name string, before dated, value string) (everywhere bool, err error) {
	now := dated{max(u.session.Now().UnixMicro(), before.at+1), value}
	if err = u.db.Exec(ctx, cql.EachQuorum, st, now.at, name, now.text()); err == nil {
		return true, nil
	}
	if err = u.db.Exec(ctx, cql.LocalQuorum, st, now.at, name, now.text()); err != nil {
		return false, fmt.Errorf("users: change %s: %w", name, err)
	}
	return false, nil
}

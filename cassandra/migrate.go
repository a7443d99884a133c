package cassandra

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/popcask/popcask/internal/driver"
)

// schemaVersion is the version of schema.cql. The settings of versions 1 and 2 had
// the width of the buckets, which this version does not have.
const schemaVersion = 3

//go:embed schema.cql
var schemaText string

// Migrate creates the keyspace, its tables and its settings, if they do not
// exist. If they do, it changes nothing, so that it may be run again at any
// time. Run it from one place at a time, before the hosts start.
//
// If a data centre has fewer nodes than replicas, Migrate returns an error and
// creates nothing. Whoever wants the keyspace before all of the nodes creates it
// with CREATE KEYSPACE; Migrate then makes the tables as soon as there are nodes
// for a quorum.
//
// If the keyspace exists with another replication, Migrate returns an error: a
// change of the replication needs a repair of the cluster, which is the
// operator's to run.
func Migrate(ctx context.Context, config Config, replication Replication) error {
	if err := config.check(); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	if len(replication) == 0 {
		return errors.New("cassandra: migrate: no replication given: name each data centre and its replicas, as in dc1:3,dc2:3")
	}
	config = config.withDefaults()
	if err := createKeyspace(ctx, config, replication); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	db, err := driver.Open(ctx, config.driver())
	if err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	defer db.Close()
	if err := checkExisting(ctx, db, config); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	for _, statement := range schemaStatements() {
		if err := db.Define(ctx, statement); err != nil {
			return fmt.Errorf("cassandra: migrate: %s: %w", firstLine(statement), err)
		}
	}
	if err := writeSettings(ctx, db, config); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	return nil
}

// checkExisting compares the settings of a keyspace that is there already with
// what this program needs, before anything is added to it.
func checkExisting(ctx context.Context, db driver.Connection, config Config) error {
	tables, _, err := db.Tables(ctx, config.Keyspace)
	if err != nil || tables["settings"] == nil {
		return err
	}
	there, err := readSettings(ctx, db)
	if err != nil || there == nil {
		return err
	}
	return there.check(config)
}

func createKeyspace(ctx context.Context, config Config, replication Replication) error {
	settings := config.driver()
	settings.Keyspace = ""
	db, err := driver.Open(ctx, settings)
	if err != nil {
		return err
	}
	defer db.Close()
	centres := db.DataCentres()
	for _, name := range slices.Sorted(maps.Keys(replication)) {
		if centres[name] == 0 {
			return fmt.Errorf("replication %s: %w", replication, driver.NoDataCentre(name, centres))
		}
	}
	if _, ok := replication[config.LocalDC]; !ok {
		return fmt.Errorf("replication %s: it has no replicas in Config.LocalDC, %s: migrate from a data centre that has some", replication, config.LocalDC)
	}
	_, existing, err := db.Tables(ctx, config.Keyspace)
	switch {
	case errors.Is(err, driver.ErrNoKeyspace):
		if err := replication.fits(centres); err != nil {
			return err
		}
		return db.Define(ctx, keyspaceStatement(config.Keyspace, replication))
	case err != nil:
		return err
	}
	there := make(Replication)
	for name, value := range existing {
		if n, err := strconv.Atoi(value); err == nil {
			there[name] = n
		}
	}
	if !maps.Equal(there, replication) {
		return fmt.Errorf("keyspace %s has the replication %s, not %s: to change it, use ALTER KEYSPACE and then repair the cluster", config.Keyspace, there, replication)
	}
	return nil
}

func keyspaceStatement(keyspace string, replication Replication) string {
	var statement strings.Builder
	fmt.Fprintf(&statement, `CREATE KEYSPACE IF NOT EXISTS "%s" WITH replication = {'class': 'NetworkTopologyStrategy'`, strings.ToLower(keyspace))
	for _, name := range slices.Sorted(maps.Keys(replication)) {
		fmt.Fprintf(&statement, ", '%s': %d", strings.ReplaceAll(name, "'", "''"), replication[name])
	}
	statement.WriteString("} AND durable_writes = true")
	return statement.String()
}

// schemaStatements returns the statements of schema.cql.
func schemaStatements() []string {
	var text strings.Builder
	for line := range strings.Lines(schemaText) {
		code, _, _ := strings.Cut(line, "--")
		text.WriteString(strings.TrimRight(code, " \n") + "\n")
	}
	var statements []string
	for _, statement := range strings.Split(text.String(), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// schemaTables returns the columns of each table of schema.cql. The map must not
// be changed.
var schemaTables = sync.OnceValue(func() map[string][]string {
	tables := make(map[string][]string)
	name := regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+)`)
	column := regexp.MustCompile(`(?m)^    ([a-z_0-9]+) [a-z]`)
	for _, statement := range schemaStatements() {
		table := name.FindStringSubmatch(statement)[1]
		for _, match := range column.FindAllStringSubmatch(statement, -1) {
			tables[table] = append(tables[table], match[1])
		}
	}
	return tables
})

package cassandra

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/internal/cql"
)

// schemaVersion is the version of schema.cql.
const schemaVersion = 1

//go:embed schema.cql
var schemaText string

// Replication is how many replicas each data centre has, by its name.
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

// String is the form that ParseReplication reads.
func (r Replication) String() string {
	parts := make([]string, 0, len(r))
	for _, name := range slices.Sorted(maps.Keys(r)) {
		parts = append(parts, fmt.Sprintf("%s:%d", name, r[name]))
	}
	return strings.Join(parts, ",")
}

var legalKeyspace = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]{0,47}$`)

// Migrate creates the keyspace, the tables and the settings where they are not
// there yet. It may be run again at any time, and changes nothing then; run it
// from one place at a time, before the hosts start. A keyspace that is there
// with another replication is an error: changing that needs a repair of the
// cluster, which only its operator can do.
func Migrate(ctx context.Context, config Config, replication Replication) error {
	if !legalKeyspace.MatchString(config.Keyspace) {
		return fmt.Errorf("cassandra: migrate: keyspace %q: want a letter, and letters, digits and _ behind it, 48 at most", config.Keyspace)
	}
	if len(replication) == 0 {
		return errors.New("cassandra: migrate: no replication given: name each data centre and its replicas, as in dc1:3,dc2:3")
	}
	if err := config.check(); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	config = config.withDefaults()
	if err := createKeyspace(ctx, config, replication); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	db, err := cql.Connect(ctx, config.driver())
	if err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	defer db.Close()
	for _, statement := range schemaStatements() {
		if err := db.Define(ctx, statement); err != nil {
			return fmt.Errorf("cassandra: migrate: %s: %w", firstLine(statement), err)
		}
	}
	if err := settle(ctx, db, config); err != nil {
		return fmt.Errorf("cassandra: migrate: %w", err)
	}
	return nil
}

func createKeyspace(ctx context.Context, config Config, replication Replication) error {
	driver := config.driver()
	driver.Keyspace = ""
	db, err := cql.Connect(ctx, driver)
	if err != nil {
		return err
	}
	defer db.Close()
	centres, err := db.DataCentres(ctx)
	if err != nil {
		return err
	}
	for name := range replication {
		if !slices.Contains(centres, name) {
			return fmt.Errorf("replication %s: the cluster has no data centre %q: it has %s", replication, name, strings.Join(centres, ", "))
		}
	}
	if _, ok := replication[config.LocalDC]; !ok {
		return fmt.Errorf("replication %s: it has no replicas in Config.LocalDC, %s: migrate from a data centre that has some", replication, config.LocalDC)
	}
	_, existing, err := db.Tables(ctx, config.Keyspace)
	switch {
	case errors.Is(err, cql.ErrNoKeyspace):
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

// replicationText is the replication of a keyspace as the settings note it.
func replicationText(replication map[string]string) string {
	parts := make([]string, 0, len(replication))
	for _, name := range slices.Sorted(maps.Keys(replication)) {
		parts = append(parts, name+"="+replication[name])
	}
	return strings.Join(parts, " ")
}

// schemaStatements cuts the schema into its statements.
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

// tables reads from the schema which columns each table has.
func schemaTables() map[string][]string {
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
}

// settings are what all hosts of a keyspace agree on.
type settings struct {
	version   int
	bucket    time.Duration
	namespace uuid.UUID
	canonical string
}

// settle writes the settings where there are none. Their timestamp is the
// schema's version, so that writing them again changes nothing.
func settle(ctx context.Context, db *cql.Session, config Config) error {
	there, err := readSettings(ctx, db)
	if err != nil {
		return err
	}
	if there != nil {
		return there.check(config)
	}
	bucket := cmp.Or(config.Bucket, defaultBucket)
	if bucket < time.Second || bucket%time.Second != 0 {
		return fmt.Errorf("Config.Bucket is %s: want whole seconds", bucket)
	}
	err = db.Exec(ctx, cql.EachQuorum, insertSettings, schemaVersion,
		settingsID, schemaVersion, int64(bucket/time.Second), [16]byte(mailboxNamespace()), config.CanonicalName)
	if err != nil {
		return err
	}
	_, replication, err := db.Tables(ctx, config.Keyspace)
	if err != nil {
		return err
	}
	// Of a keyspace that is new, no replica can lack anything.
	err = db.Exec(ctx, cql.EachQuorum, insertReplication, schemaVersion, settingsID, replicationText(replication), int64(0))
	if err != nil {
		return err
	}
	// Somebody else may have written at the same moment: of each column the
	// larger value wins, and who lost must hear of it.
	if there, err = readSettings(ctx, db); err != nil || there == nil {
		return err
	}
	return there.check(config)
}

// mailboxNamespace is what the IDs of mailboxes are made in. It is the same for
// every keyspace, so that hosts that migrate one at the same moment agree.
func mailboxNamespace() uuid.UUID { return uuid.NewV5(uuid.NamespaceDNS, "popcask.org") }

const settingsID = "popcask"

// readSettings returns nil where there are none.
func readSettings(ctx context.Context, db *cql.Session) (*settings, error) {
	var found *settings
	err := db.Each(ctx, cql.LocalQuorum, selectSettings, func(row cql.Row) error {
		var s settings
		var seconds int64
		var namespace [16]byte
		if err := row.Scan(&s.version, &seconds, &namespace, &s.canonical); err != nil {
			return err
		}
		s.bucket, s.namespace = time.Duration(seconds)*time.Second, namespace
		found = &s
		return nil
	}, settingsID)
	if err != nil {
		return nil, fmt.Errorf("read the settings of the keyspace: %w", err)
	}
	return found, nil
}

// check tells what of a host's configuration differs from the keyspace's.
func (s *settings) check(config Config) error {
	switch {
	case s.version != schemaVersion:
		return fmt.Errorf("the keyspace has version %d of the schema, this program wants %d", s.version, schemaVersion)
	case config.Bucket != 0 && config.Bucket != s.bucket:
		return fmt.Errorf("Config.Bucket is %s, the keyspace was created with %s: leave it 0 to use that", config.Bucket, s.bucket)
	case config.CanonicalName != s.canonical:
		return fmt.Errorf("Config.CanonicalName is %q, the keyspace was created with %q: mail for one user would end up in two mailboxes", config.CanonicalName, s.canonical)
	}
	return nil
}

package cassandra_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
)

// operatingStatements returns the statements of OPERATING.md: what is indented
// by four spaces.
func operatingStatements(t *testing.T) (statements []string) {
	t.Helper()
	text, err := os.ReadFile("OPERATING.md")
	require.NoError(t, err)
	var code strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "    ") {
			code.WriteString(line)
		}
	}
	for _, statement := range strings.Split(code.String(), ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			statements = append(statements, statement)
		}
	}
	return statements
}

var altered = regexp.MustCompile(`^ALTER TABLE mail\.(\w+) WITH (\w+) = `)

// A node takes every ALTER TABLE of OPERATING.md, and neither Migrate nor
// Connect undoes it. Those about roles need a node with logins: examples/mda
// has them in a test.
func TestOperatingStatements(t *testing.T) {
	t.Parallel()
	cluster, config, replication := unmigrated(t)
	require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
	raw := cluster.Session(t, "")
	run := 0
	for _, statement := range operatingStatements(t) {
		match := altered.FindStringSubmatch(statement)
		if match == nil {
			require.Regexp(t, `^GRANT (SELECT|MODIFY) ON KEYSPACE mail TO popcask$`, statement)
			continue
		}
		table, option := match[1], match[2]
		before := optionOf(t, raw, config.Keyspace, table, option)
		require.NoError(t, raw.Query(strings.Replace(statement, " mail.", " "+config.Keyspace+".", 1)).Exec(), statement)
		changed := optionOf(t, raw, config.Keyspace, table, option)
		require.NotEqual(t, before, changed, statement)
		require.NoError(t, cassandra.Migrate(t.Context(), config, replication))
		session, err := cassandra.Connect(t.Context(), config)
		require.NoError(t, err)
		session.Close()
		require.Equal(t, changed, optionOf(t, raw, config.Keyspace, table, option), statement)
		run++
	}
	require.Equal(t, 6, run)
}

// optionOf reads an option of a table.
func optionOf(t *testing.T, raw *gocql.Session, keyspace, table, option string) any {
	t.Helper()
	row := make(map[string]any)
	require.NoError(t, raw.Query("SELECT "+option+" FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?", keyspace, table).MapScan(row))
	return row[option]
}

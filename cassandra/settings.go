package cassandra

import (
	"context"
	"fmt"

	"github.com/gofrs/uuid/v5"

	"github.com/popcask/popcask/cassandra/cql"
	"github.com/popcask/popcask/internal/driver"
)

// settings are the settings of a keyspace, on which all hosts agree.
type settings struct {
	version   int
	namespace uuid.UUID
	canonical string
}

const settingsID = "popcask"

// mailboxNamespace returns the namespace of the IDs of mailboxes. It is the
// same in every keyspace, so that hosts which migrate one at the same moment
// agree.
func mailboxNamespace() uuid.UUID { return uuid.NewV5(uuid.NamespaceDNS, "popcask.org") }

// writeSettings writes the settings if there are none. Their timestamp is the
// version of the schema, so that writing them again changes nothing.
func writeSettings(ctx context.Context, db driver.Connection, config Config) error {
	there, err := readSettings(ctx, db)
	if err != nil {
		return err
	}
	if there != nil {
		return there.check(config)
	}
	err = db.Exec(ctx, cql.EachQuorum, insertSettings, schemaVersion,
		settingsID, schemaVersion, [16]byte(mailboxNamespace()), config.CanonicalName)
	if err != nil {
		return err
	}
	_, replication, err := db.Tables(ctx, config.Keyspace)
	if err != nil {
		return err
	}
	// In a new keyspace no replica lacks anything: it has rested.
	err = db.Exec(ctx, cql.EachQuorum, insertReplication, schemaVersion, settingsID, replicationText(replication), int64(0))
	if err != nil {
		return err
	}
	// Another host may have written at the same moment. The larger value of
	// each column wins, and a host that wanted another one gets an error.
	if there, err = readSettings(ctx, db); err != nil || there == nil {
		return err
	}
	return there.check(config)
}

// readSettings returns the settings, or nil if there are none.
func readSettings(ctx context.Context, db cql.DB) (*settings, error) {
	var found *settings
	err := cql.Each(ctx, db, cql.LocalQuorum, selectSettings, func(row cql.Row) error {
		var s settings
		var namespace [16]byte
		if err := row.Scan(&s.version, &namespace, &s.canonical); err != nil {
			return err
		}
		s.namespace = namespace
		found = &s
		return nil
	}, settingsID)
	if err != nil {
		return nil, fmt.Errorf("read the settings of the keyspace: %w", err)
	}
	return found, nil
}

// check returns an error if a host's configuration differs from the settings.
func (s *settings) check(config Config) error {
	switch {
	case s.version != schemaVersion:
		return fmt.Errorf("the keyspace has version %d of the schema, this program wants %d", s.version, schemaVersion)
	case config.CanonicalName != s.canonical:
		return fmt.Errorf("Config.CanonicalName is %q, the keyspace was created with %q: mail for one user would end up in two mailboxes", config.CanonicalName, s.canonical)
	}
	return nil
}

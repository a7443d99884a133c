package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// commandStore is a store for commands to work on.
type commandStore struct {
	tables storetest.Tables
	config cassandra.Config
	store  *cassandra.Store
	db     *gocql.Session
}

func newCommandStore(t *testing.T) *commandStore {
	t.Helper()
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	dc := cluster.DCs[0].Name
	config := cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: cluster.KeyspaceName(t), Timeout: time.Minute}
	paxostest.Watch(t, cluster, config.Keyspace)
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{dc: 1}))
	store, err := cassandra.Open(t.Context(), config, projection.New)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close(context.WithoutCancel(t.Context()))) })
	return &commandStore{storetest.TablesOf(t, cluster, config), config, store, cluster.Session(t, "")}
}

// deliver delivers a message of that many octets.
func (s *commandStore) deliver(t *testing.T, user string, octets int) cassandra.MessageID {
	t.Helper()
	body := strings.Repeat("x", octets-2) + "\r\n"
	message, err := mailbox.Deliver(t.Context(), s.store, mailbox.To(user), strings.NewReader(body))
	require.NoError(t, err)
	id, err := cassandra.ParseMessageID(message.ID)
	require.NoError(t, err)
	return id
}

// rows counts the rows of a message.
func (s *commandStore) rows(t *testing.T, table string, id cassandra.MessageID) (n int) {
	t.Helper()
	require.NoError(t, s.db.Query(fmt.Sprintf("SELECT count(*) FROM %s.%s WHERE message_id = ?", s.config.Keyspace, table), [16]byte(id)).Scan(&n))
	return n
}

// mda runs a command on the store.
func (s *commandStore) mda(t *testing.T, verb string, more ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{verb, "-cassandra", strings.Join(s.config.Hosts, ","), "-dc", s.config.LocalDC, "-keyspace", s.config.Keyspace}, more...)
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// flagNames are the flags of a command.
func (c command) flagNames() (names []string) {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	c.job().flags(flags)
	flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return names
}

// mda verify finds a removal that was begun and not finished; mda repair says
// what it would do, and does it with -yes.
func TestVerifyAndRepair(t *testing.T) {
	s := newCommandStore(t)
	id := s.deliver(t, "bob", 7)
	bob, _, err := s.store.Mailbox("bob")
	require.NoError(t, err)
	require.NoError(t, s.db.Query(fmt.Sprintf(
		"UPDATE %s.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", s.config.Keyspace),
		cassandra.AddedAt(id)+1, [16]byte(bob), id.Bucket(), [16]byte(id)).Exec())
	finding := "bob: removal not finished " + id.String() + ": "

	code, out, errs := s.mda(t, "verify")
	require.Equal(t, exitFound, code, "%s%s", out, errs)
	require.Equal(t, finding+"found\n1 mailboxes, 0 messages: 1 findings, 0 mended, 0 postponed\n", out)
	require.Contains(t, errs, "100.0 %")

	code, out, _ = s.mda(t, "repair", "-user", "Bob")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "nothing was changed: -yes does it")

	code, out, _ = s.mda(t, "repair", "-yes", "-json")
	require.Zero(t, code)
	require.Equal(t, fmt.Sprintf(`{"user":"bob","mailbox":%q,"kind":"removal not finished","message":%q,"mended":true}
{"failed":0,"findings":1,"mailboxes":1,"mended":1,"messages":0,"postponed":0}
`, bob, id), out)

	code, out, _ = s.mda(t, "verify")
	require.Zero(t, code)
	require.Equal(t, "1 mailboxes, 0 messages: 0 findings, 0 mended, 0 postponed\n", out)

	code, _, errs = s.mda(t, "verify", "-user", "bbo")
	require.Zero(t, code)
	require.Equal(t, "bbo has no mail; a name that never got any looks the same\n", errs)

	code, _, errs = s.mda(t, "verify", "-keyspace", "nowhere")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `keyspace "nowhere"`)
	require.NotContains(t, errs, "-create-schema", "a flag that it does not have")
	require.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
}

package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/projection"
)

// mda verify finds a removal that nobody finished, mda repair says what it would
// do, and does it with -yes.
func TestVerifyAndRepair(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	dc := cluster.DCs[0].Name
	config := cassandra.Config{Hosts: cluster.Hosts(dc), LocalDC: dc, Keyspace: cluster.KeyspaceName(t)}
	paxostest.Watch(t, cluster, config.Keyspace)
	require.NoError(t, cassandra.Migrate(t.Context(), config, cassandra.Replication{dc: 1}))
	session, err := cassandra.Connect(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(session.Close)
	store, err := cassandra.NewStore(session, projection.New(session))
	require.NoError(t, err)
	results, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "bob"}}}, strings.NewReader("hello\r\n"))
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	id, err := cassandra.ParseMessageID(results[0].ID)
	require.NoError(t, err)
	bob, _, err := store.Mailbox("bob")
	require.NoError(t, err)
	require.NoError(t, cluster.Session(t, "").Query(fmt.Sprintf(
		"UPDATE %s.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", config.Keyspace),
		cassandra.AddedAt(id)+1, [16]byte(bob), session.Bucket(id), [16]byte(id)).Exec())
	require.NoError(t, store.Close(t.Context()))

	mda := func(verb string, more ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		args := append([]string{verb, "-cassandra", strings.Join(config.Hosts, ","), "-dc", dc, "-keyspace", config.Keyspace}, more...)
		code = run(t.Context(), args, &out, &errs)
		return code, out.String(), errs.String()
	}
	finding := "bob: removal not finished " + id.String() + ": "

	code, out, errs := mda("verify")
	require.Equal(t, exitFound, code, "%s%s", out, errs)
	require.Equal(t, finding+"found\n1 mailboxes, 0 messages: 1 findings, 0 mended, 0 postponed\n", out)
	require.Contains(t, errs, "100.0 %")

	code, out, _ = mda("repair", "-user", "Bob")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "nothing was changed: mda repair -yes mends it")

	code, out, _ = mda("repair", "-yes", "-json")
	require.Zero(t, code)
	require.Equal(t, fmt.Sprintf(`{"user":"bob","mailbox":%q,"kind":"removal not finished","message":%q,"mended":true}
{"failed":0,"findings":1,"mailboxes":1,"mended":1,"messages":0,"postponed":0}
`, bob, id), out)

	code, out, _ = mda("verify")
	require.Zero(t, code)
	require.Equal(t, "1 mailboxes, 0 messages: 0 findings, 0 mended, 0 postponed\n", out)

	code, _, errs = mda("verify", "-keyspace", "nowhere")
	require.Equal(t, 1, code)
	require.Contains(t, errs, `keyspace "nowhere"`)
	require.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
}

// Mistakes in the flags of verify and repair are one line and exit code 2; -h
// teaches.
func TestRepairFlags(t *testing.T) {
	for _, args := range [][]string{{"verify", "-yes"}, {"repair", "bob"}, {"repair", "-rate", "fast"}, {"verify", "-nosuch"}} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, &out, &errs), "%q", args)
		require.Empty(t, out.String())
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "%s", errs.String())
		require.Contains(t, errs.String(), "mda "+args[0]+" -h explains")
	}
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"repair", "-h"}, &out, &errs))
	require.Equal(t, repairUsage, out.String())
}

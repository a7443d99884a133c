package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/internal/storetest"
)

// The commands besides verify and repair, as an operator uses them.
func TestCommands(t *testing.T) {
	s := newCommandStore(t)
	bob, carl := s.deliver(t, "bob", 2000), s.deliver(t, "carl", 1000)
	more := s.deliver(t, "carl", 500)
	bobID, _, err := s.store.Mailbox("bob")
	require.NoError(t, err)
	carlID, _, err := s.store.Mailbox("carl")
	require.NoError(t, err)

	code, out, errs := s.mda(t, "largest", "-n", "2")
	require.Zero(t, code, errs)
	require.Equal(t, "bob: 1 messages, 2000 octets\ncarl: 2 messages, 1500 octets\n", out)
	_, out, _ = s.mda(t, "largest", "-n", "1", "-json")
	require.Equal(t, fmt.Sprintf(`{"user":"bob","mailbox":%q,"messages":1,"octets":2000}`+"\n", bobID), out)

	require.NoError(t, s.db.Query(fmt.Sprintf("TRUNCATE %s.projection", s.config.Keyspace)).Exec())
	code, out, _ = s.mda(t, "rebuild", "-user", "Bob")
	require.Zero(t, code)
	require.Equal(t, "1 messages listed again\n", out)
	code, out, _ = s.mda(t, "rebuild", "-json")
	require.Zero(t, code)
	require.Equal(t, `{"listed":2}`+"\n", out)

	code, out, _ = s.mda(t, "empty", "-user", "Carl")
	require.Equal(t, exitFound, code)
	require.Equal(t, "carl: 2 messages, 1500 octets\nnothing was changed: -yes does it\n", out)
	code, out, _ = s.mda(t, "empty", "-user", "carl", "-yes", "-json")
	require.Zero(t, code)
	require.Equal(t, fmt.Sprintf(`{"user":"carl","mailbox":%q,"messages":2,"octets":1500}`+"\n", carlID), out)
	code, out, _ = s.mda(t, "empty", "-user", "carl")
	require.Zero(t, code)
	require.Equal(t, "carl: 0 messages, 0 octets\n", out)
	for _, id := range []cassandra.MessageID{carl, more} {
		require.Zero(t, s.rows(t, "message", id), "the process has purged it when it ends")
	}

	orphanCommands(t, s, bobID)
	_, out, _ = s.mda(t, "largest", "-n", "1")
	require.Equal(t, "bob: 2 messages, 2007 octets\n", out)
	require.Equal(t, 1, s.rows(t, "message", bob))
}

// orphanCommands restores a message of two hours ago that has no membership, in
// a store with two mailboxes and one message.
func orphanCommands(t *testing.T, s *commandStore, mailbox cassandra.MailboxID) {
	t.Helper()
	id := cassandra.MessageID(gocql.UUIDFromTime(time.Now().Add(-2 * time.Hour)))
	text := []byte("hello\r\n")
	sum := sha256.Sum256(text)
	require.NoError(t, s.db.Query(fmt.Sprintf(
		"INSERT INTO %s.message (message_id, chunk, data, mailbox_id, size, chunks, head, sha256) VALUES (?, 0, ?, ?, 7, 1, 7, ?) USING TIMESTAMP ?", s.config.Keyspace),
		[16]byte(id), text, [16]byte(mailbox), sum[:], cassandra.AddedAt(id)).Exec())
	finding := "bob: content without membership " + id.String() + ": "
	end := "mailboxes, 1 messages: 1 findings, "
	code, out, _ := s.mda(t, "orphans")
	require.Equal(t, exitFound, code)
	require.Equal(t, finding+"found\n2 "+end+"0 mended, 0 postponed\n", out)
	code, out, _ = s.mda(t, "orphans", "-restore")
	require.Equal(t, exitFound, code)
	require.Contains(t, out, "nothing was changed: -yes does it")
	code, out, _ = s.mda(t, "orphans", "-purge", "-confirm", "1ms", "-yes")
	require.Equal(t, exitFound, code)
	require.Equal(t, finding+"found\n2 "+end+"0 mended, 1 postponed\n", out, "too young")
	code, out, _ = s.mda(t, "orphans", "-restore", "-yes")
	require.Zero(t, code)
	require.Equal(t, finding+"mended\n2 "+end+"1 mended, 0 postponed\n", out)
	code, out, _ = s.mda(t, "orphans")
	require.Zero(t, code)
	require.Equal(t, "2 mailboxes, 2 messages: 0 findings, 0 mended, 0 postponed\n", out)
}

// mda expire says how much is too old, and removes it with -yes.
func TestExpireCommand(t *testing.T) {
	s := newCommandStore(t)
	fresh := s.deliver(t, "bob", 500)
	plant := storetest.Plant{Age: 25 * time.Hour, Content: "whole", Member: "live", Listed: true, Bucket: true}
	old := plant.Put(s.tables, s.store, "bob")

	code, out, errs := s.mda(t, "expire", "-days", "1")
	require.Equal(t, exitFound, code, errs)
	require.Equal(t, "1 mailboxes, 2 messages: 1 older than 1 days, 0 removed\nnothing was changed: -yes does it\n", out)
	code, out, errs = s.mda(t, "expire", "-days", "2", "-yes")
	require.Zero(t, code, errs)
	require.Equal(t, "1 mailboxes, 2 messages: 0 older than 2 days, 0 removed\n", out)
	code, out, errs = s.mda(t, "expire", "-days", "1", "-yes", "-json")
	require.Zero(t, code, errs)
	require.Equal(t, `{"failed":0,"mailboxes":1,"messages":2,"old":1,"removed":1}`+"\n", out)
	require.Zero(t, s.rows(t, "message", old), "the process has purged it when it ends")
	require.Equal(t, 1, s.rows(t, "message", fresh))
}

// Mistakes in the flags of the commands are one line and exit code 2. -h
// explains every flag, and the program's own -h names every command.
func TestCommandFlags(t *testing.T) {
	for _, args := range [][]string{
		{"verify", "-yes"}, {"repair", "bob"}, {"repair", "-rate", "fast"}, {"verify", "-rate", "-1"}, {"repair", "-yes", "-confirm", "-1h"}, {"rebuild", "-hold", "1"}, {"repair", "-user", "bob", "-rate", "10"}, {"rebuild", "-user", "bob", "-resume", "1"}, {"verify", "-nosuch"}, {"repair", "-remove-incomplete"},
		{"orphans", "-yes"}, {"orphans", "-restore", "-purge"}, {"orphans", "-purge", "-yes"}, {"rebuild", "-yes"},
		{"hash", "-cost", "3"}, {"hash", "-cost", "32"}, {"hash", "-scheme", "MD5"}, {"hash", "-scheme", "BCRYPT,SCRAM-SHA-1"}, {"hash", "-scheme", ""}, {"hash", "-iterations", "4095"}, {"hash", "-json"}, {"hash", "-dc", "dc1"}, {"hash", "secret"},
		{"user"}, {"user", "-user", "bob"}, {"user", "-set"}, {"user", "-user", "bob", "-set", "-disable"}, {"user", "-user", "bob", "-alias-of", ""}, {"users", "bob"},
		{"largest", "-n", "0"}, {"largest", "-n", "few"}, {"empty"}, {"empty", "-yes"}, {"empty", "-user", "bob", "carl"},
		{"expire"}, {"expire", "-yes"}, {"expire", "-days", "0"}, {"expire", "-days", "-1"}, {"expire", "-days", "36501"}, {"expire", "-days", "30d"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, &out, &errs), "%q", args)
		require.Empty(t, out.String())
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "%s", errs.String())
		require.Contains(t, errs.String(), "mda "+args[0]+" -h explains")
	}
	for _, c := range commands {
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), []string{c.name, "-h"}, &out, &errs))
		require.Equal(t, c.usage, out.String())
		require.Empty(t, errs.String())
		require.Contains(t, out.String(), "Usage: mda "+c.name)
		for _, flag := range c.flagNames() {
			require.Contains(t, out.String(), "  -"+flag+" ", "mda %s", c.name)
		}
		require.Contains(t, usageText, c.name)
	}
}

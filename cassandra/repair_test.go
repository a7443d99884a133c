package cassandra_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/uuid/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/mailbox"
)

// plant is a message of which only some rows are there.
type plant struct {
	age     time.Duration
	content string // "whole", "chunked", "unfinished" (no statics), "torn" (a chunk is missing), "homeless" (chunk 0 is), ""
	member  string // "live", "removed", ""
	listed  bool
	bucket  bool // the bucket's row
	uidl    string
	gap     bool // recorded over it
}

const plantedChunk = "Subject: planted\r\n\r\n"

// planted is the body of a plant whose content is complete.
func (p plant) planted() string {
	if p.content == "chunked" {
		return strings.Repeat(plantedChunk, 3)
	}
	return plantedChunk
}

// put writes the rows with the timestamps that the store would give them.
func (p plant) put(r rows, store *cassandra.Store, user string) cassandra.MessageID {
	r.t.Helper()
	generator := uuid.NewGen()
	made, err := generator.NewV1AtTime(time.Now().Add(-p.age))
	require.NoError(r.t, err)
	id := cassandra.MessageID(made)
	p.write(r, store, user, id)
	return id
}

func (p plant) write(r rows, store *cassandra.Store, user string, id cassandra.MessageID) {
	r.t.Helper()
	box, name, err := store.Mailbox(user)
	require.NoError(r.t, err)
	m, key, bucket, at := [16]byte(box), [16]byte(id), store.Bucket(id), cassandra.AddedAt(id)
	text := p.planted()
	chunks := map[string][]int{"whole": {0}, "chunked": {0, 1, 2}, "unfinished": {0, 1}, "torn": {0, 2}, "homeless": {1}}[p.content]
	for _, chunk := range chunks {
		r.exec("INSERT INTO KS.message (message_id, chunk, data) VALUES (?, ?, ?) USING TIMESTAMP ?", key, chunk, []byte(plantedChunk), at)
	}
	if len(chunks) > 0 && p.content != "homeless" {
		r.exec("INSERT INTO KS.message (message_id, mailbox_id) VALUES (?, ?) USING TIMESTAMP ?", key, m, at)
	}
	if count := map[string]int{"whole": 1, "chunked": 3, "torn": 3}[p.content]; count > 0 {
		sum := sha256.Sum256([]byte(text))
		r.exec("INSERT INTO KS.message (message_id, size, chunks, head, sha256) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?",
			key, int64(len(plantedChunk)*count), count, len(plantedChunk), sum[:], at)
	}
	if p.member != "" {
		r.exec("INSERT INTO KS.mailbox_message (mailbox_id, bucket, message_id, uid, mod_seq, size) VALUES (?, ?, ?, 1, 1, ?) USING TIMESTAMP ?",
			m, bucket, key, int64(len(text)), at)
		if p.uidl != "" {
			r.exec("INSERT INTO KS.mailbox_message (mailbox_id, bucket, message_id, uidl) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, p.uidl, at)
		}
	}
	if p.member == "removed" {
		r.exec("UPDATE KS.mailbox_message USING TIMESTAMP ? SET removed = true WHERE mailbox_id = ? AND bucket = ? AND message_id = ?", at+1, m, bucket, key)
	}
	if p.listed {
		r.exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, size) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, int64(len(text)), at)
		if p.uidl != "" {
			r.exec("INSERT INTO KS.projection (mailbox_id, bucket, message_id, uidl) VALUES (?, ?, ?, ?) USING TIMESTAMP ?", m, bucket, key, p.uidl, at)
		}
	}
	if p.gap {
		r.exec("INSERT INTO KS.maildrop (mailbox_id, kind, start, until) VALUES (?, 'gap', ?, ?) USING TIMESTAMP ?", m, at, at, at)
	}
	if p.bucket {
		r.exec("INSERT INTO KS.maildrop (mailbox_id, kind, start, user) VALUES (?, 'bucket', ?, ?) USING TIMESTAMP 1", m, bucket, name)
	}
}

// Each row of the design's table of repairs: what is planted, what Verify finds,
// what Repair does. A second Repair finds nothing, and what is listed then can be
// read.
func TestP1RepairMendsWhatIsPlanted(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store := newStore(t, config)
	const old, young = 2 * time.Hour, time.Minute
	none := cassandra.FindingKind("")

	for _, test := range []struct {
		name   string
		plant  plant
		found  cassandra.FindingKind
		listed bool // after the repair
	}{
		{"all is well", plant{old, "whole", "live", true, true, "", false}, none, true},
		{"all is well, chunked", plant{old, "chunked", "live", true, true, "", false}, none, true},
		{"nothing at all", plant{age: old}, none, false},
		{"not listed", plant{old, "whole", "live", false, true, "", false}, cassandra.NotListed, true},
		{"not listed, chunked", plant{old, "chunked", "live", false, true, "", false}, cassandra.NotListed, true},
		{"not listed, with a foreign unique-id", plant{old, "whole", "live", false, true, "foreign-1", false}, cassandra.NotListed, true},
		{"marked", plant{old, "whole", "removed", true, true, "", false}, cassandra.NotRemoved, false},
		{"marked, young", plant{young, "whole", "removed", true, true, "", false}, cassandra.NotRemoved, false},
		{"marked, not listed", plant{old, "chunked", "removed", false, true, "", false}, cassandra.NotRemoved, false},
		{"marked, without content", plant{old, "", "removed", false, true, "", false}, cassandra.NotRemoved, false},
		{"content absent", plant{old, "", "live", true, true, "", false}, cassandra.NotComplete, false},
		{"content absent, not listed", plant{old, "", "live", false, true, "", false}, cassandra.NotComplete, false},
		{"content unfinished", plant{old, "unfinished", "live", true, true, "", false}, cassandra.NotComplete, false},
		{"content torn", plant{old, "torn", "live", true, true, "", false}, cassandra.NotComplete, false},
		{"not a member", plant{old, "whole", "", true, true, "", false}, cassandra.NotMember, true},
		{"not a member, chunked, with a foreign unique-id", plant{old, "chunked", "", true, true, "foreign-2", false}, cassandra.NotMember, true},
		{"ghost", plant{old, "", "", true, true, "", false}, cassandra.Ghost, false},
		{"ghost with unfinished content", plant{old, "unfinished", "", true, true, "", false}, cassandra.Ghost, false},
		{"ghost with torn content", plant{old, "torn", "", true, true, "", false}, cassandra.Ghost, false},
		{"in a gap, content unfinished", plant{old, "unfinished", "live", false, true, "", true}, cassandra.NotComplete, false},
		{"in a gap, content absent", plant{old, "", "live", true, true, "", true}, cassandra.NotComplete, false},
		{"no bucket", plant{old, "whole", "live", true, false, "", false}, cassandra.NoBucket, true},
		{"no bucket, months ago", plant{100 * 24 * time.Hour, "whole", "live", true, false, "", false}, cassandra.NoBucket, true},
		{"not listed, days ago", plant{9 * 24 * time.Hour, "whole", "live", false, true, "", false}, cassandra.NotListed, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			user := strings.NewReplacer(" ", "-", ",", "").Replace(test.name) + "@example.org"
			tables := rows{t, tables.cql, tables.keyspace}
			neighbour := plant{age: old, content: "whole", member: "live", listed: true, bucket: true}
			var other cassandra.MessageID
			if test.name != "no bucket" { // a neighbour would have written the row
				other = neighbour.put(tables, store, user)
			}
			id := test.plant.put(tables, store, user)

			for range 2 { // Verify changes nothing
				report, err := store.Verify(t.Context(), user)
				require.NoError(t, err)
				require.Zero(t, report.Mended())
				requireFinding(t, report, test.found, id, store.Bucket(id))
			}

			// Without being asked to, Repair neither removes what is incomplete nor
			// takes a ghost off the list.
			report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{})
			require.NoError(t, err)
			requireFinding(t, report, test.found, id, store.Bucket(id))
			if test.found == cassandra.Ghost || test.found == cassandra.NotComplete {
				require.Zero(t, report.Mended())
				verified, err := store.Verify(t.Context(), user)
				require.NoError(t, err)
				requireFinding(t, verified, test.found, id, store.Bucket(id))
				report, err = store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
				require.NoError(t, err)
			}
			require.Equal(t, len(report.Findings), report.Mended())
			again, err := store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
			require.NoError(t, err)
			require.Empty(t, again.Findings)
			require.Zero(t, again.Postponed)

			found := readable(t, store, user)
			if (other != cassandra.MessageID{}) {
				require.Equal(t, neighbour.planted(), found[other.String()], "its neighbour is as it was")
				delete(found, other.String())
			}
			if !test.listed {
				require.Empty(t, found)
				return
			}
			require.Equal(t, map[string]string{id.String(): test.plant.planted()}, found)
			for _, m := range list(t, store, user) {
				if m.ID == id.String() {
					require.Equal(t, test.plant.uidl, m.UIDL, "P5: a unique-id is for life")
				}
			}
		})
	}

	// What is young may be a delivery that is under way: it is left alone, and
	// counted.
	for _, p := range []plant{
		{young, "whole", "live", false, true, "", false},
		{young, "", "live", true, true, "", false},
		{young, "", "live", false, true, "", false},
		{young, "unfinished", "live", false, true, "", false},
		{young, "whole", "", true, true, "", false},
		{young, "", "", true, true, "", false},
	} {
		t.Run(fmt.Sprintf("young/%s/%s/%t", p.content, p.member, p.listed), func(t *testing.T) {
			t.Parallel()
			tables := rows{t, tables.cql, tables.keyspace}
			user := fmt.Sprintf("young-%s-%s-%t@example.org", p.content, p.member, p.listed)
			p.put(tables, store, user)
			for range 2 {
				report, err := store.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
				require.NoError(t, err)
				require.Empty(t, report.Findings)
				require.Equal(t, 1, report.Postponed)
			}
		})
	}
}

func requireFinding(t testing.TB, report cassandra.Report, kind cassandra.FindingKind, id cassandra.MessageID, bucket int64) {
	t.Helper()
	if kind == "" {
		require.Empty(t, report.Findings)
		return
	}
	require.Len(t, report.Findings, 1)
	f := report.Findings[0]
	require.Equal(t, kind, f.Kind)
	require.Equal(t, bucket, f.Bucket)
	if kind != cassandra.NoBucket {
		require.Equal(t, id, f.ID)
	}
	require.NoError(t, f.Err)
}

// Whatever a repair meets of a message that was removed, it cannot bring it
// back: not the late rows of its delivery, and not a removal that comes between
// its look and its writing.
func TestP3RepairCannotResurrect(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store, index := newFaultyStore(t, config)
	repairer, hurt := newFaultyStore(t, later(config))

	t.Run("late rows", func(t *testing.T) {
		for i, late := range []plant{
			{content: "whole", member: "live", listed: true, bucket: true},
			{content: "whole", member: "live"},
			{content: "whole", listed: true},
			{listed: true},
			{member: "live"},
			{content: "whole"},
		} {
			user := fmt.Sprintf("late-%d@example.org", i)
			m := deliver(t, store, user, body(1))
			keep := deliver(t, store, user, body(2))
			require.NoError(t, open(t, store, user).Delete(t.Context(), []string{m.ID}))
			bucket := bucketNow(t, store)
			eventually(t, "purged", func() bool { return tables.members(store, user, bucket) == 1 })
			id, err := cassandra.ParseMessageID(m.ID)
			require.NoError(t, err)
			late.write(tables, store, user, id)
			report, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{Confirm: time.Millisecond, RemoveIncomplete: true})
			require.NoError(t, err)
			require.Empty(t, report.Findings)
			require.Equal(t, map[string]string{keep.ID: body(2)}, readable(t, store, user))
		}
	})
	t.Run("removed between the look and the mending", func(t *testing.T) {
		const user = "race@example.org"
		index.hurt(func(context.Context, cassandra.MailboxID, func() error) error { return nil }, nil) // lists nothing
		var ids []string
		for i := range 3 {
			ids = append(ids, deliver(t, store, user, body(i)).ID)
		}
		index.heal()
		require.Empty(t, list(t, store, user))
		done := false
		hurt.mu.Lock()
		hurt.restore = func(_ context.Context, goOn func() error) error {
			if !done {
				done = true
				assert.NoError(t, open(t, store, user).Delete(t.Context(), ids))
			}
			return goOn()
		}
		hurt.mu.Unlock()
		report, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		require.Len(t, report.Findings, 3)
		require.True(t, done)
		require.Empty(t, list(t, store, user))
		eventually(t, "purged", func() bool { return tables.members(store, user, bucketNow(t, store)) == 0 })
		consistent(t, config, user)
		require.Empty(t, list(t, store, user))
	})
	t.Run("repairs and removals side by side", func(t *testing.T) {
		const user, messages = "busy@example.org", 60
		index.hurt(func(_ context.Context, _ cassandra.MailboxID, goOn func() error) error {
			return goOn()
		}, func(_ context.Context, goOn func() error) error {
			return errors.Join(errFault, goOn()) // marks, and says that it failed
		})
		var ids []string
		for i := range messages {
			ids = append(ids, deliver(t, store, user, body(i)).ID)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := repairer.Repair(ctx, user, cassandra.RepairOptions{}); ctx.Err() == nil {
					assert.NoError(t, err)
				}
			}
		})
		mb := open(t, store, user)
		for _, id := range ids[:messages/2] {
			mb.Delete(t.Context(), []string{id})
			for _, m := range list(t, store, user) {
				require.NotEqual(t, id, m.ID, "P3: it is back")
			}
		}
		cancel()
		group.Wait()
		index.heal()
		_, err := repairer.Repair(t.Context(), user, cassandra.RepairOptions{})
		require.NoError(t, err)
		consistent(t, config, user)
		found := readable(t, store, user)
		require.Len(t, found, messages/2)
		for i, id := range ids[messages/2:] {
			require.Equal(t, body(messages/2+i), found[id])
		}
	})
}

// What a repair lists can be read: a chunk whose row is there without its octets,
// as reads that count chunks leave it of one that was written almost nowhere, is
// no content.
func TestP2RepairListsOnlyWhatCanBeRead(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	store := newStore(t, config)
	for user, p := range map[string]plant{
		"anna": {age: 2 * time.Hour, content: "torn", member: "live", bucket: true},
		"bob":  {age: 2 * time.Hour, content: "torn", bucket: true},
	} {
		id := p.put(tables, store, user)
		tables.exec("INSERT INTO KS.message (message_id, chunk) VALUES (?, 1) USING TIMESTAMP ?", [16]byte(id), cassandra.AddedAt(id))
	}
	options := cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{Orphans: cassandra.RestoreOrphans}}
	options.Found = func(r cassandra.Report) { require.ErrorContains(t, r.Findings[0].Err, "not complete") }
	p, err := store.RepairAll(t.Context(), options)
	require.NoError(t, err)
	require.Equal(t, 2, p.Findings)
	require.Zero(t, p.Mended)
	for _, user := range []string{"anna", "bob"} {
		require.Empty(t, list(t, store, user))
	}
}

// A session that meets a message without content gets a temporary error, writes
// nothing, and has the mailbox repaired behind it (P2).
func TestP2MissIsTemporaryAndHandedToRepair(t *testing.T) {
	cluster := cassandratest.Start(t, cassandratest.Topology{})
	config := migrated(t, cluster)
	tables := tablesOf(t, cluster, config)
	var heard recorder
	config.Observer = heard.observe
	store := newStore(t, config)
	const user = "anna@example.org"
	const old = 2 * time.Hour
	for _, content := range []string{"", "unfinished", "torn"} {
		lost := plant{old, content, "live", true, true, "", false}.put(tables, store, user)
		marked := plant{old, "whole", "removed", false, true, "", false}.put(tables, store, user)
		mb := open(t, store, user)
		listed, err := tryList(t.Context(), mb)
		require.NoError(t, err)
		require.Equal(t, lost.String(), listed[len(listed)-1].ID)
		heard.take()
		_, err = read(t.Context(), mb, lost.String())
		require.ErrorIs(t, err, mailbox.ErrTemporary)
		require.NotErrorIs(t, err, mailbox.ErrNotFound)
		eventually(t, "the repair behind the session finishes what is marked", func() bool {
			return tables.count("SELECT count(*) FROM KS.message WHERE message_id = ?", [16]byte(marked)) == 0
		})
		for _, o := range heard.take() { // the repair may write about what is marked, and about nothing else
			assert.NotContains(t, o.Statement, "INSERT")
		}
		report, err := store.Verify(t.Context(), user)
		require.NoError(t, err)
		kinds := map[cassandra.MessageID]cassandra.FindingKind{}
		for _, f := range report.Findings {
			kinds[f.ID] = f.Kind
		}
		require.Equal(t, cassandra.NotComplete, kinds[lost], "it is still there, for whoever can restore it")
	}
	require.Len(t, list(t, store, user), 3)
}

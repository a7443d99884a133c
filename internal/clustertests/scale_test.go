package clustertests

import (
	"flag"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/parallel"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
)

var (
	repairMessages = flag.Int("repair.messages", 3000, "messages of 1 KiB in TestRepairAtScale")
	repairNodes    = flag.Int("repair.nodes", 1, "nodes of the data centre of TestRepairAtScale")
	repairSeed     = flag.Uint64("repair.seed", 0, "what TestRepairAtScale plants; 0 draws one")
)

// sick are the messages that are planted among healthy ones: everything that a
// repair mends, in several forms.
var sick = []struct {
	name  string
	plant storetest.Plant
	found cassandra.FindingKind
	kept  bool // listed in the end, under its own ID
}{
	{"not listed", storetest.Plant{Content: "whole", Member: "live", Bucket: true}, cassandra.NotListed, true},
	{"not listed, chunked", storetest.Plant{Content: "chunked", Member: "live", Bucket: true}, cassandra.NotListed, true},
	{"marked", storetest.Plant{Content: "whole", Member: "removed", Listed: true, Bucket: true}, cassandra.NotRemoved, false},
	{"marked, not listed, content gone", storetest.Plant{Member: "removed", Bucket: true}, cassandra.NotRemoved, false},
	{"content absent", storetest.Plant{Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
	{"content unfinished", storetest.Plant{Content: "unfinished", Member: "live", Listed: true, Bucket: true}, cassandra.NotComplete, false},
	{"content torn", storetest.Plant{Content: "torn", Member: "live", Bucket: true}, cassandra.NotComplete, false},
	{"not a member", storetest.Plant{Content: "whole", Listed: true, Bucket: true}, cassandra.NotMember, true},
	{"not a member, chunked", storetest.Plant{Content: "chunked", Listed: true, Bucket: true}, cassandra.NotMember, true},
	{"ghost", storetest.Plant{Listed: true, Bucket: true}, cassandra.Ghost, false},
	{"ghost, content torn", storetest.Plant{Content: "torn", Listed: true, Bucket: true}, cassandra.Ghost, false},
	{"orphan", storetest.Plant{Content: "whole"}, cassandra.Orphan, true},
	{"orphan, chunked", storetest.Plant{Content: "chunked"}, cassandra.Orphan, true},
	{"orphan, unfinished", storetest.Plant{Content: "unfinished"}, cassandra.Orphan, false},
	{"orphan, torn", storetest.Plant{Content: "torn"}, cassandra.Orphan, false},
	{"orphan, without chunk 0", storetest.Plant{Content: "homeless"}, cassandra.Orphan, false},
	{"bucket without its row", storetest.Plant{Content: "whole", Member: "live", Listed: true}, cassandra.NoBucket, true},
	{"hidden by a seal", storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true, Sealed: true}, cassandra.Hidden, true},
	{"hidden by a seal, chunked", storetest.Plant{Content: "chunked", Member: "live", Listed: true, Bucket: true, Sealed: true}, cassandra.Hidden, true},
	{"hidden in a bucket without its row", storetest.Plant{Content: "whole", Member: "live", Listed: true}, cassandra.Hidden, true},
}

// finding is something that a scan must find.
type finding struct {
	user   string
	kind   cassandra.FindingKind
	id     cassandra.MessageID
	bucket int64
}

// Repair at scale: among many healthy messages several of each kind that is
// wrong are planted, in several mailboxes and buckets. Verify finds all of them
// and nothing else, and writes nothing; Repair, whose process is killed in the
// middle and which is resumed, mends all of them; the next scan finds nothing,
// and no row of a healthy message was touched.
//
// With -repair.messages 1000000 -repair.nodes 3 it makes the figures of the
// README.
func TestRepairAtScale(t *testing.T) {
	slow.Test(t, "thousands of messages")
	t.Parallel()
	s := newScale(t)
	s.verifyFindsAll()
	s.repairIsKilledAndResumed()
	s.purgeRemovesTheUnreadable()
	s.nothingElseIsFoundOrChanged()
	s.mailboxesListWhatTheyShould()
}

// scale is a store with many messages, of which some are not as they should be.
type scale struct {
	*testing.T
	config  cassandra.Config
	store   *cassandra.Store
	tables  storetest.Tables
	wrote   storetest.Recorder // of statements that write
	users   []string
	sealed  []string                         // users, too, whose mailboxes have messages that are hidden
	listed  map[string][]cassandra.MessageID // healthy, by user
	planted map[finding]sickness
	before  map[string]uint64 // digest of the tables
}

// scaleDays is how many days the messages are spread over.
const scaleDays = 60

func newScale(t *testing.T) *scale {
	s := &scale{T: t, users: usersNamed("user", max(25, *repairMessages/1000)), sealed: usersNamed("sealed", 20)}
	random := newRandom(t)
	cluster := cassandratest.Start(t, scaleTopology())
	s.config = storetest.Migrate(t, cluster)
	s.tables = storetest.TablesOf(t, cluster, s.config)
	s.config.Observer = func(o cassandra.Observation) {
		if !strings.HasPrefix(o.Statement, "SELECT") {
			s.wrote.Observe(o)
		}
	}
	s.store = storetest.NewStore(t, s.config)
	began := time.Now()
	seeder := newSeeder(s.tables, s.store, 1024)
	users := slices.Concat(s.sealed, s.users)
	s.listed = seeder.seed(users, *repairMessages, scaleDays)
	t.Logf("%d messages of 1 KiB in %d mailboxes: written in %s", *repairMessages, len(users), s.since(began))
	s.plantAll(random, seeder)
	s.before = s.digest()
	t.Logf("%d things are wrong", len(s.planted))
	return s
}

func scaleTopology() cassandratest.Topology {
	if *repairNodes == 1 {
		return cassandratest.Topology{}
	}
	return roomyNodes(*repairNodes)
}

// roomyNodes is a data centre whose nodes bear millions of messages.
func roomyNodes(nodes int) cassandratest.Topology {
	return cassandratest.Topology{
		DCs: []cassandratest.DC{{Name: "dc1", Nodes: nodes}}, HeapMB: 1024, JVM: []string{"-XX:TieredStopAtLevel=4"}, Private: true,
		Settings: map[string]any{ // what is written at first comes faster than a busy machine takes it
			"memtable_heap_space": "256MiB", "memtable_offheap_space": "256MiB", "write_request_timeout": "30s",
		},
	}
}

// since returns how long all messages took, and how many that is a second.
func (s *scale) since(began time.Time) string {
	took := time.Since(began)
	return fmt.Sprintf("%s, %.0f a second", took.Round(time.Millisecond), float64(*repairMessages)/took.Seconds())
}

func (s *scale) digest() map[string]uint64 { return digest(s.T, s.tables, s.planted) }

// verifyFindsAll requires that a dry run finds all that is wrong and nothing
// else, and changes nothing.
func (s *scale) verifyFindsAll() {
	found := make(map[finding]int)
	began := time.Now()
	verified, err := s.store.VerifyAll(s.Context(), cassandra.ScanOptions{Found: func(r cassandra.Report) {
		f := r.Findings[0]
		found[finding{r.User, f.Kind, f.ID, f.Bucket}]++
	}})
	require.NoError(s, err)
	s.Logf("verify: %d messages in %s", verified.Messages, s.since(began))
	for want := range s.planted {
		require.Equal(s, 1, found[want], "%+v", want)
		delete(found, want)
	}
	require.Empty(s, found, "healthy, and found all the same")
	require.Equal(s, len(s.planted), verified.Findings)
	require.Zero(s, verified.Mended)
	require.Zero(s, verified.Postponed)
	require.Zero(s, verified.Failed)
	require.Empty(s, s.wrote.Take(), "a dry run writes nothing")
	require.Equal(s, s.before, s.digest())
}

// scaleRepair mends everything, except content in no mailbox that is
// incomplete.
var scaleRepair = cassandra.RepairOptions{Confirm: time.Second, RemoveIncomplete: true, Orphans: cassandra.RestoreOrphans}

// repairIsKilledAndResumed repairs in a process that is killed in the middle,
// and in another one that goes on from there.
func (s *scale) repairIsKilledAndResumed() {
	began := time.Now()
	job := repairJob{Config: storetest.HandOver(s.config), Repair: scaleRepair}
	if *repairMessages < 100_000 { // so that there is a middle
		job.Rate = *repairMessages / 2
	}
	killed, unmended := job.run(s.T, 0.6)
	require.Less(s, killed.Done, 1.0)
	s.Logf("repair: kill -9 after %s at %.0f %%, to be resumed from %q", time.Since(began).Round(time.Millisecond), 100*killed.Done, killed.Resume)
	job.Rate, job.Resume = 0, killed.Resume
	resumed, more := job.run(s.T, 2)
	s.Logf("repair: %d messages, killed and resumed, in %s", *repairMessages, s.since(began))
	require.Equal(s, 1.0, resumed.Done)
	require.Zero(s, resumed.Failed)
	maps.Copy(unmended, more)
	for _, p := range s.planted {
		if p.kept {
			require.Empty(s, unmended[p.id.String()])
		}
	}
}

// purgeRemovesTheUnreadable purges what the repair has left: content that
// cannot be read.
func (s *scale) purgeRemovesTheUnreadable() {
	unreadable := make(map[cassandra.MessageID]bool)
	for f, p := range s.planted {
		// Of a ghost only what the index had of it is removed.
		if f.kind == cassandra.Orphan && !p.kept || f.kind == cassandra.Ghost && p.Content != "" {
			unreadable[p.id] = true
		}
	}
	purged, err := s.store.RepairAll(s.Context(), purging(func(r cassandra.Report) {
		f := r.Findings[0]
		require.True(s, unreadable[f.ID] && f.Kind == cassandra.Orphan, "%s %s of %q: %v", f.Kind, f.ID, r.User, f.Err)
	}))
	require.NoError(s, err)
	require.Equal(s, len(unreadable), purged.Findings)
	require.Equal(s, len(unreadable), purged.Mended)
	require.Zero(s, purged.Postponed)
}

func purging(found func(cassandra.Report)) cassandra.ScanOptions {
	options := cassandra.ScanOptions{RepairOptions: scaleRepair, Found: found}
	options.Orphans = cassandra.PurgeOrphans
	return options
}

func (s *scale) nothingElseIsFoundOrChanged() {
	again, err := s.store.RepairAll(s.Context(), purging(nil))
	require.NoError(s, err)
	require.Zero(s, again.Findings, "a second run finds nothing")
	require.Zero(s, again.Postponed)
	require.Zero(s, again.Failed)
	require.Equal(s, s.before, s.digest(), "what was healthy is as it was, to the timestamp of each row")
}

// mailboxesListWhatTheyShould looks at the mailboxes with something planted in
// them.
func (s *scale) mailboxesListWhatTheyShould() {
	want := make(map[string][]string) // IDs, by user
	for f, p := range s.planted {
		if f.user == "" {
			continue
		}
		if want[f.user] == nil {
			for _, id := range s.listed[f.user] {
				want[f.user] = append(want[f.user], id.String())
			}
		}
		if p.kept {
			want[f.user] = append(want[f.user], p.id.String())
		}
	}
	for user, ids := range want {
		require.ElementsMatch(s, ids, storetest.ListIDs(s, s.store, user), user)
	}
	for f, p := range s.planted {
		if p.kept {
			text, err := storetest.Read(s.Context(), storetest.Open(s, s.store, f.user), p.id.String())
			require.NoError(s, err)
			require.Equal(s, p.Body(), text)
		}
	}
}

// newRandom returns the source of what is planted.
func newRandom(t *testing.T) *rand.Rand {
	seed := *repairSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-repair.seed %d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

type sickness struct {
	storetest.Plant
	id   cassandra.MessageID
	kept bool
}

// mostOfAKind is how many messages of one kind are planted at most.
const mostOfAKind = 6

// plantAll plants several of each kind, in buckets of all widths. All of them
// are older than gc_grace_seconds, so that orphans may be purged. A message that
// is hidden has a mailbox of its own: others that are planted there would be
// hidden too, or be on the list of the seal.
func (s *scale) plantAll(random *rand.Rand, seeder *seeder) {
	s.planted = make(map[finding]sickness)
	s.plantBackup(random, seeder)
	sealed := 1
	for _, kind := range sick {
		for n := range mostOfAKind/2 + random.IntN(mostOfAKind/2+1) {
			user := s.users[random.IntN(len(s.users))]
			age := 11*24*time.Hour + time.Duration(random.Int64N(int64(scaleDays-11)*int64(24*time.Hour)))
			if !kind.plant.Bucket && kind.plant.Member != "" { // in a bucket that has no other mail
				user = s.users[n%len(s.users)]
				age = time.Duration(scaleDays+31+10*random.IntN(20)) * 24 * time.Hour
			}
			if kind.found == cassandra.Hidden {
				user = s.sealed[sealed]
				sealed++
			}
			id := seeder.idAt(time.Now().Add(-age), byte(random.IntN(3)))
			if kind.found == cassandra.Hidden && !kind.plant.Bucket {
				s.fence(user, cassandra.BucketSlice(id.Bucket()).To)
			}
			kind.plant.Write(s.tables, s.store, user, id)
			f := finding{user, kind.found, id, id.Bucket()}
			switch {
			case kind.found == cassandra.NoBucket:
				f.id = cassandra.MessageID{}
			case kind.plant.Content == "homeless":
				f.user = ""
			}
			s.planted[f] = sickness{kind.plant, id, kind.kept}
		}
	}
}

// plantBackup plants what a mailbox has that was restored from a backup, after
// it was sealed: many messages in one bucket that the seal hides.
func (s *scale) plantBackup(random *rand.Rand, seeder *seeder) {
	const restored = 30
	plant := storetest.Plant{Content: "whole", Member: "live", Listed: true, Bucket: true}
	user := s.sealed[0]
	at := time.Now().Add(-11*24*time.Hour - time.Duration(random.Int64N(int64(24*time.Hour))))
	hidden := make(map[cassandra.MessageID]bool)
	for range restored {
		at = at.Add(time.Microsecond)
		id := seeder.idAt(at, 0)
		plant.Write(s.tables, s.store, user, id)
		s.planted[finding{user, cassandra.Hidden, id, id.Bucket()}] = sickness{plant, id, true}
		hidden[id] = true
	}
	box, _, err := s.store.Mailbox(user)
	require.NoError(s, err)
	last := seeder.idAt(at, 0)
	s.tables.Seal(box, last.Bucket(), last.Timestamp(), func(id cassandra.MessageID) bool { return !hidden[id] })
}

// fence writes the fence of a mailbox.
func (s *scale) fence(user string, fence int64) {
	id, _, err := s.store.Mailbox(user)
	require.NoError(s, err)
	s.tables.Exec("INSERT INTO KS.ledger (mailbox_id, bucket, fence) VALUES (?, -1, ?) USING TIMESTAMP ?", [16]byte(id), fence, fence)
}

// digest returns a sum of all rows of each table and their timestamps, without
// the rows of messages that were planted.
func digest(t *testing.T, tables storetest.Tables, planted map[finding]sickness) map[string]uint64 {
	t.Helper()
	skip := make(map[cassandra.MessageID]bool)
	for _, p := range planted {
		skip[p.id] = true
	}
	sums := make(map[string]uint64)
	var mu sync.Mutex
	for table, query := range map[string]string{
		"message":         "SELECT message_id, mailbox_id, size, chunks, chunk, data, writetime(data) FROM KS.message WHERE token(message_id) > ? AND token(message_id) <= ?",
		"mailbox_message": "SELECT message_id, mailbox_id, bucket, uid, mod_seq, size, writetime(size) FROM KS.mailbox_message WHERE token(mailbox_id, bucket) > ? AND token(mailbox_id, bucket) <= ?",
		"projection":      "SELECT message_id, mailbox_id, bucket, size, writetime(size) FROM KS.projection WHERE token(mailbox_id, bucket) > ? AND token(mailbox_id, bucket) <= ?",
	} {
		const parts = 64
		err := parallel.Each(4, parts, func(i int) error {
			after, until := int64(-1<<63)+int64(i)*(1<<58), int64(-1<<63)+int64(i+1)*(1<<58)-1
			rows := tables.CQL.Query(tables.In(query), after-min(1, int64(i)), until).
				Consistency(gocql.LocalQuorum).PageSize(1000).Iter()
			sum := uint64(0)
			for row := map[string]any{}; rows.MapScan(row); row = map[string]any{} {
				id := cassandra.MessageID(row["message_id"].(gocql.UUID))
				if skip[id] {
					continue
				}
				hash := fnv.New64a()
				for _, name := range slices.Sorted(maps.Keys(row)) {
					fmt.Fprintf(hash, "%s=%v;", name, row[name])
				}
				sum += hash.Sum64()
			}
			mu.Lock()
			defer mu.Unlock()
			sums[table] += sum
			return rows.Close()
		})
		require.NoError(t, err)
	}
	return sums
}

package clustertests

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra"
	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/storetest"
	"github.com/popcask/popcask/mailbox"
)

// A scan in a data centre that lags takes what has not arrived for no fault,
// purges no content whose membership is only in the other data centre, and
// mends what is wrong there. While the other one does not answer, it returns an
// error and writes nothing (P1, P2).
func TestScanOfADataCentreThatLags(t *testing.T) {
	slow.Test(t, "two nodes, which are killed in turn")
	t.Parallel()
	l := newLag(t)
	l.oneGetsMailAlone()
	l.verifyFindsOnlyWhatIsWrong()
	resume := l.nothingIsWrittenWithoutOne()
	l.repairMends(resume)
}

// lag is two data centres without hints, of which the second misses mail.
type lag struct {
	*testing.T
	cluster          *cassandratest.Cluster
	one, two         string
	config1, config2 cassandra.Config
	heard2           storetest.Recorder // of the statements of store2
	store1, store2   *cassandra.Store
	scan             cassandra.ScanOptions
	unlisted, listed []cassandra.MessageID // planted, one for each user
}

// lagUsers get lagEach messages each.
const lagUsers, lagEach = 5, 4

func newLag(t *testing.T) *lag {
	cluster := cassandratest.Start(t, dcTopology(t))
	l := &lag{T: t, cluster: cluster, one: cluster.DCs[0].Name, two: cluster.DCs[1].Name}
	l.config1 = storetest.Migrate(t, cluster)
	l.config1.Timeout = 5 * time.Second
	l.config2 = storetest.In(l.config1, cluster, l.two)
	l.config2.Observer = l.heard2.Observe
	l.store1 = storetest.NewStore(t, l.config1)
	l.scan = cassandra.ScanOptions{RepairOptions: cassandra.RepairOptions{
		Confirm: time.Millisecond, RemoveIncomplete: true, Orphans: cassandra.PurgeOrphans,
	}}
	return l
}

// oneGetsMailAlone delivers and plants while dc2 is gone, which misses all of
// it except two rows.
func (l *lag) oneGetsMailAlone() {
	require.NoError(l, l.cluster.Kill(l.two))
	tables1 := storetest.TablesOf(l, l.cluster, l.config1)
	const old = 12 * 24 * time.Hour
	for n := range lagUsers {
		user := fmt.Sprintf("user%d", n)
		for i := range lagEach {
			storetest.Deliver(l, l.store1, user, storetest.Body(i))
		}
		l.unlisted = append(l.unlisted, storetest.Plant{Age: old, Content: "whole", Member: "live", Bucket: true}.Put(tables1, l.store1, user))
		l.listed = append(l.listed, storetest.Plant{Age: old, Content: "chunked", Member: "live", Listed: true, Bucket: true}.Put(tables1, l.store1, user))
	}
	wake(l.T, l.cluster, l.two, l.store1)
	l.store2 = storetest.NewStore(l, soon(l, l.config2))
	tables2 := storetest.TablesOf(l, l.cluster, l.config2)
	require.Empty(l, storetest.List(l, l.store2, "user0"), "it lags")
	// Of this one the content has arrived, and of that one its place on the
	// list.
	storetest.Plant{Content: "chunked"}.Write(tables2, l.store1, "user0", l.listed[0])
	storetest.Plant{Listed: true}.Write(tables2, l.store1, "user1", l.listed[1])
	require.Equal(l, 3, tables2.Content(l.listed[0]))
	require.Zero(l, tables2.Members(l.store2, "user0", l.listed[0].Bucket()))
	require.Equal(l, 1, tables2.Entries(l.store2, "user1", l.listed[1].Bucket()))
}

func (l *lag) verifyFindsOnlyWhatIsWrong() {
	verified, err := l.store2.VerifyAll(l.Context(), l.scan)
	require.NoError(l, err)
	require.Equal(l, lagUsers*(lagEach+2), verified.Messages)
	require.Equal(l, len(l.unlisted), verified.Findings)
	require.Zero(l, verified.Failed)
}

// nothingIsWrittenWithoutOne scans in dc2 while dc1 is gone, and returns where
// the repair is to be resumed.
func (l *lag) nothingIsWrittenWithoutOne() (resume string) {
	require.NoError(l, l.cluster.Kill(l.one))
	l.heard2.Take()
	_, err := l.store2.VerifyAll(l.Context(), l.scan)
	require.Error(l, err)
	p, err := l.store2.RepairAll(l.Context(), l.scan)
	require.Error(l, err)
	require.Zero(l, p.Mended)
	_, err = l.store2.Rebuild(l.Context(), "user0")
	require.ErrorIs(l, err, mailbox.ErrTemporary)
	for _, o := range l.heard2.Take() {
		require.Contains(l, o.Statement, "SELECT", "nothing is written")
	}
	wake(l.T, l.cluster, l.one, l.store1)
	return p.Resume
}

func (l *lag) repairMends(resume string) {
	storetest.Eventually(l, "both data centres are asked again", func() bool {
		_, err := l.store2.Verify(l.Context(), "user0")
		return err == nil
	})
	l.scan.Resume = resume
	repaired, err := l.store2.RepairAll(l.Context(), l.scan)
	require.NoError(l, err)
	require.Equal(l, len(l.unlisted), repaired.Mended)
	again, err := l.store1.VerifyAll(l.Context(), cassandra.ScanOptions{})
	require.NoError(l, err)
	require.Zero(l, again.Findings)
	for n := range lagUsers {
		require.Len(l, storetest.Readable(l, l.store1, fmt.Sprintf("user%d", n)), lagEach+2)
	}
}

package cassandratest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
)

// brief is a topology that no other test has, with a short time of grace.
var brief = cassandratest.Topology{HeapMB: 200, Grace: 300 * time.Millisecond}

func TestSharedClusterLivesAsLongAsItsKeeper(t *testing.T) {
	t.Setenv("POPCASK_CASSANDRA", "")
	t.Run("at once", func(t *testing.T) {
		for range 4 { // as the packages of one test run do
			t.Run("start", func(t *testing.T) {
				t.Parallel()
				cassandratest.Start(t, brief)
			})
		}
	})
	first := cassandratest.Start(t, brief)
	t.Run("another lease", func(t *testing.T) {
		second := cassandratest.Start(t, brief)
		require.Equal(t, first.Hosts(""), second.Hosts(""), "one cluster for both")
	})
	first.Session(t, "") // the end of the other lease did no harm

	pids := nodePIDs(t, first.Dir)
	keeper, err := os.FindProcess(keeperPID(t, pids[0]))
	require.NoError(t, err)
	lost := first.Lost()
	require.NoError(t, keeper.Kill())
	<-lost
	eventually(t, noneAlive(pids), "no nodes without a keeper")
	keeper.Wait()
}

// victim is the job of a process that has a cluster and is killed.
func victim(private bool) error {
	topology := brief
	topology.Private = private
	cluster, err := cassandratest.Lease(context.Background(), topology)
	if err != nil {
		return err
	}
	fmt.Println("dir", cluster.Dir)
	select {} // until the kill
}

// It also shows that a shared cluster ends after its last lease, and that a
// cluster starts after its keeper was killed.
func TestKilledTestLeavesNoNodes(t *testing.T) {
	cassandratest.NeedNodes(t)
	for kind, private := range map[string]bool{"shared": false, "private": true} {
		t.Run(kind, func(t *testing.T) {
			victim := child.ForTest(t.Context(), t, "victim", private)
			out, err := victim.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, victim.Start())
			t.Cleanup(func() { victim.Process.Kill() })

			var dir, said string
			for lines := bufio.NewScanner(out); dir == "" && lines.Scan(); said += lines.Text() + "\n" {
				dir, _ = strings.CutPrefix(lines.Text(), "dir ")
				if dir == lines.Text() {
					dir = ""
				}
			}
			require.NotEmpty(t, dir, said)
			pids := nodePIDs(t, dir)
			pids = append(pids, keeperPID(t, pids[0]))
			require.NoError(t, victim.Process.Kill())
			victim.Wait()
			eventually(t, noneAlive(pids), "the kernel ends the lease of a killed test")
		})
	}
}

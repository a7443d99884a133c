//go:build linux

package cassandratest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/slow"
)

// fakeDocker does with processes what a Docker engine does with containers, as
// far as we use it: the commands, their arguments and their order are checked
// by it, the image cassandra:5 is not.
const fakeDocker = `#!/bin/sh
PATH=/usr/bin:/bin
here=%[1]s
java() { # with the real jars for those of the image
	for arg; do
		shift
		[ "$arg" = '/opt/cassandra/lib/*' ] && arg=%[3]q
		set -- "$@" "$arg"
	done
	exec %[2]s "$@"
}
echo "$@" | cut -c1-60 >> $here/calls
case $1 in
version) echo 28.0 ;;
rm) exit 0 ;;
run)
	[ "$2 $3 $5 $6" = "--rm --name --network host" ] || exit 125
	echo $$ > $here/$4
	while [ "$1" != --entrypoint ]; do shift; done
	[ "$2 $3" = "java cassandra:5" ] || exit 125
	shift 3
	java "$@" ;;
kill) kill -$3 $(cat $here/$4) ;;
exec) [ "$3" = java ] || exit 125; shift 3; java "$@" ;;
*) exit 125 ;;
esac
`

func TestNodesInDocker(t *testing.T) {
	slow.Test(t, "a node of its own")
	shared := cassandratest.Start(t, cassandratest.Topology{}) // resolves the jars
	require.NotEmpty(t, shared.Hosts(""))
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("the imitation of Docker needs a java on the PATH")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	jars := filepath.Join(cache, "popcask", "cassandra-"+cassandratest.Version, "*")
	if _, err := os.Stat(filepath.Dir(jars)); err != nil {
		t.Skip("the imitation of Docker needs the jars: ", err)
	}
	bin := t.TempDir()
	script := fmt.Sprintf(fakeDocker, bin, java, jars)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "docker"), []byte(script), 0o755))
	t.Setenv("PATH", bin)
	t.Setenv("JAVA_HOME", "")

	cluster := cassandratest.Start(t, cassandratest.Topology{Private: true})
	cluster.Keyspace(t)
	require.NoError(t, cluster.Pause("dc1"))
	require.NoError(t, cluster.Resume("dc1"))
	status, err := cluster.NodeTool(t.Context(), "dc1-1", "status")
	require.NoError(t, err)
	require.Contains(t, status, "UN  "+cluster.Nodes[0].Address)
	pids := nodePIDs(t, cluster.Dir)
	require.NoError(t, cluster.Kill("dc1-1"))
	require.True(t, noneAlive(pids)())
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	require.NoError(t, err)
	require.Contains(t, string(calls), "kill --signal 19 popcask-")
}

package cassandratest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// NodeTool runs nodetool against one node and returns what it printed:
//
//	cluster.NodeTool(ctx, "dc1-1", "flush", keyspace)
//	cluster.NodeTool(ctx, "dc1-1", "disablehandoff")
//
// It takes a second or two, since it is a JVM. On a shared cluster, use only
// commands that other tests do not notice, such as flush and compact on the
// test's own keyspace.
func (c *Cluster) NodeTool(ctx context.Context, node string, args ...string) (string, error) {
	if c.lease == nil {
		return "", errors.New("cassandratest: nodetool: the cluster of POPCASK_CASSANDRA is not ours: set Topology.Private")
	}
	home := filepath.Join(c.Dir, "nodes", node)
	n, err := c.Node(node)
	if err != nil {
		return "", err
	}
	software := c.lease.layout.Software
	java := append(software.java(), "-Xmx64m",
		"-Dlogback.configurationFile=file://"+filepath.Join(home, "conf", "logback.xml"),
		"-Dcassandra.config=file://"+filepath.Join(home, "conf", "cassandra.yaml"),
		"-Dcassandra.storagedir="+home,
		"-Duser.home="+home, // it writes a history there
		"-Djava.io.tmpdir="+filepath.Join(home, "tmp"),
		"-cp", software.classPath(),
		"org.apache.cassandra.tools.NodeTool",
		"--host", "127.0.0.1", "--port", strconv.Itoa(n.at.JMX),
	)
	command := append([]string{software.Java}, append(java, args...)...)
	if software.Docker {
		command = append([]string{"docker", "exec", c.lease.layout.Cluster + "-" + node}, command...)
	}
	var out, failed bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	if c.guard != nil {
		// JMX listens on the loopback interface of the node's namespace.
		if cmd, err = c.Command(ctx, n.DC, command[0], command[1:]...); err != nil {
			return "", err
		}
	}
	cmd.Stdout, cmd.Stderr = &out, &failed
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("cassandratest: nodetool %s on %s: %w: %s", strings.Join(args, " "), node, err,
			tail(strings.TrimSpace(failed.String()+"\n"+out.String()), 10))
	}
	return out.String(), nil
}

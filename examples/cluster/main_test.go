//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gocql/gocql"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
)

func TestHelpTeaches(t *testing.T) {
	var out, errs bytes.Buffer
	require.Equal(t, 0, run(context.Background(), []string{"-h"}, &out, &errs))
	require.Empty(t, errs.String())
	for _, word := range []string{"Usage: cluster", "-dcs NAME:NODES,...", "-dir DIR", "-wan ROUNDTRIP", "root on Linux", "Java 17 and Maven", "^C", "ready dc1=", "Examples:"} {
		require.Contains(t, out.String(), word)
	}
}

func TestBadFlagsAreOneLineAndStatus2(t *testing.T) {
	for complaint, args := range map[string][]string{
		`"three" is not a number of nodes`: {"-dcs", "dc1:three"},
		`has 0 nodes`:                      {"-dcs", "dc1:0"},
		`"" is not a name`:                 {"-dcs", ""},
		`at least 128 MiB`:                 {"-heap", "1"},
		`it takes two data centres`:        {"-dcs", "dc1:2", "-wan", "50ms"},
		`invalid value "50"`:               {"-wan", "50"},
		`invalid value "x"`:                {"-heap", "x"},
		`not defined: -no`:                 {"-no"},
		`"dc1:3" is not a flag`:            {"dc1:3"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, 2, run(context.Background(), args, &out, &errs), complaint)
		require.Contains(t, errs.String(), complaint)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), "one line")
		require.Empty(t, out.String())
	}
}

func TestMain(m *testing.M) {
	child.Main("cluster", func(struct{}) error { main(); return nil })
	os.Exit(m.Run())
}

// start runs the program until its line that begins with "ready".
func start(t *testing.T, args ...string) (p *exec.Cmd, host string, said *strings.Builder) {
	t.Helper()
	p = child.ForTest(context.Background(), t, "cluster", nil, args...)
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { p.Process.Kill() })
	said = &strings.Builder{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if hosts, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			_, host, ok = strings.Cut(hosts, "paris=")
			require.True(t, ok, hosts)
			return p, host, said
		}
	}
	t.Fatalf("not ready:\n%s", said)
	return nil, "", nil
}

func stop(t *testing.T, p *exec.Cmd, host string, signal os.Signal) {
	t.Helper()
	require.NoError(t, p.Process.Signal(signal))
	require.NoError(t, p.Wait(), "exit status 0")
	_, err := net.DialTimeout("tcp", host, time.Second)
	require.Error(t, err, "the node has ended")
}

func query(t *testing.T, host string, do func(*gocql.Session)) {
	t.Helper()
	address, port, err := net.SplitHostPort(host)
	require.NoError(t, err)
	config := gocql.NewCluster(address)
	config.Port, err = strconv.Atoi(port)
	require.NoError(t, err)
	config.Timeout = 10 * time.Second
	session, err := config.CreateSession()
	require.NoError(t, err)
	defer session.Close()
	do(session)
}

func TestDataStaysInItsDirectory(t *testing.T) {
	// The way to see whether this machine can run nodes at all.
	cassandratest.Start(t, cassandratest.Topology{})

	dir := filepath.Join(t.TempDir(), "data")
	p, host, said := start(t, "-dcs", "paris:1", "-dir", dir, "-heap", "200")
	for _, word := range []string{"cluster paris:1 of Cassandra", "node paris-1 starts on " + host, "node paris-1 answers after", "logs are in " + dir} {
		require.Contains(t, said.String(), word)
	}
	query(t, host, func(s *gocql.Session) {
		require.NoError(t, s.Query("CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'paris': 1}").Exec())
		require.NoError(t, s.Query("CREATE TABLE k.t (id int PRIMARY KEY)").Exec())
		require.NoError(t, s.Query("INSERT INTO k.t (id) VALUES (7)").Exec())
	})

	var out, errs bytes.Buffer
	require.Equal(t, 1, run(context.Background(), []string{"-dcs", "paris:1", "-dir", dir}, &out, &errs))
	require.Contains(t, errs.String(), "in use")
	stop(t, p, host, os.Interrupt)

	out.Reset()
	errs.Reset()
	require.Equal(t, 1, run(context.Background(), []string{"-dcs", "paris:2", "-dir", dir}, &out, &errs))
	require.Contains(t, errs.String(), "holds a cluster paris:1")

	p, again, _ := start(t, "-dcs", "paris:1", "-dir", dir, "-heap", "200")
	require.Equal(t, host, again, "the addresses belong to the data")
	query(t, again, func(s *gocql.Session) {
		var id int
		require.NoError(t, s.Query("SELECT id FROM k.t WHERE id = 7").Scan(&id))
	})
	stop(t, p, again, syscall.SIGTERM)
}

func TestStopBeforeItIsReady(t *testing.T) {
	cassandratest.Start(t, cassandratest.Topology{})
	ctx, cancel := context.WithCancel(context.Background())
	out := &onWord{word: "starts on", then: cancel}
	var errs bytes.Buffer
	require.Equal(t, 0, run(ctx, []string{"-dcs", "paris:1"}, out, &errs))
	require.Empty(t, errs.String())
	require.Contains(t, out.String(), "stopped before it was ready")
	_, host, ok := strings.Cut(out.String(), "starts on ")
	require.True(t, ok)
	host, _, _ = strings.Cut(host, "\n")
	l, err := net.Listen("tcp4", host)
	require.NoError(t, err, "the node has ended")
	l.Close()
}

// onWord calls a function when a word is written.
type onWord struct {
	bytes.Buffer
	word string
	then func()
}

func (w *onWord) Write(b []byte) (int, error) {
	n, err := w.Buffer.Write(b)
	if bytes.Contains(b, []byte(w.word)) {
		w.then()
	}
	return n, err
}

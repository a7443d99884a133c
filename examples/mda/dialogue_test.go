package main

import (
	"bufio"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/linetest"
	"github.com/popcask/popcask/internal/paxostest"
)

func TestMain(m *testing.M) {
	code := paxostest.MainNoLeaks(m)
	os.RemoveAll(scratch)
	os.Exit(code)
}

// patienceOfTests bounds each connection and each shutdown.
const patienceOfTests = 5 * time.Second

// dialogue is the client's end of a connection.
type dialogue struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
}

func dial(t *testing.T, address string) *dialogue {
	t.Helper()
	network := "tcp"
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		network, address = "unix", path
	}
	conn, err := net.DialTimeout(network, address, patienceOfTests)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	d := &dialogue{t: t}
	d.use(conn)
	return d
}

func (d *dialogue) use(conn net.Conn) {
	require.NoError(d.t, conn.SetDeadline(time.Now().Add(patienceOfTests)))
	d.conn, d.reader = conn, bufio.NewReader(conn)
}

// play follows a script, see linetest.Play.
func (d *dialogue) play(script string) {
	d.t.Helper()
	linetest.Play(d.t, d.conn, d.reader, script)
}

// hello reads the greeting and sends LHLO or EHLO.
func (d *dialogue) hello(protocol string) {
	d.t.Helper()
	d.play("S: 220 *")
	d.sayHello(protocol)
}

func (d *dialogue) sayHello(protocol string) {
	d.t.Helper()
	verb := "EHLO"
	if protocol == "LMTP" {
		verb = "LHLO"
	}
	linetest.Hello(d.t, d.conn, d.reader, verb)
}

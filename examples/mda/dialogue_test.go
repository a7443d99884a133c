package main

import (
	"bufio"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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

// play follows a script:
//
//	C: a line of the client
//	R: "octets of the client, as a Go string"
//	S: a line of the server; * stands for anything
//	S: EOF
//
// Lines of the client that follow each other go out in one write.
func (d *dialogue) play(script string) {
	d.t.Helper()
	var out strings.Builder
	flush := func() {
		d.t.Helper()
		if out.Len() == 0 {
			return
		}
		_, err := io.WriteString(d.conn, out.String())
		require.NoError(d.t, err)
		out.Reset()
	}
	for line := range strings.SplitSeq(script, "\n") {
		line = strings.TrimSpace(line)
		side, text, _ := strings.Cut(line, ":")
		text = strings.TrimPrefix(text, " ")
		switch side {
		case "":
		case "C":
			out.WriteString(text + "\r\n")
		case "R":
			octets, err := strconv.Unquote(text)
			require.NoError(d.t, err, line)
			out.WriteString(octets)
		case "S":
			flush()
			d.expect(text)
		default:
			require.Fail(d.t, "not a line of a script", line)
		}
	}
	flush()
}

func (d *dialogue) expect(want string) {
	d.t.Helper()
	got, err := d.reader.ReadString('\n')
	if want == "EOF" {
		require.Equal(d.t, io.EOF, err, "got %q", got)
		return
	}
	require.NoError(d.t, err, "S: %s", want)
	require.True(d.t, strings.HasSuffix(got, "\r\n"), "line end of %q", got)
	got = strings.TrimSuffix(got, "\r\n")
	if head, tail, wild := strings.Cut(want, "*"); wild {
		require.True(d.t, len(got) >= len(head)+len(tail) && strings.HasPrefix(got, head) && strings.HasSuffix(got, tail),
			"S: %s\ngot %s", want, got)
		return
	}
	require.Equal(d.t, want, got)
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
	d.play("C: " + verb + " client.example")
	for {
		line, err := d.reader.ReadString('\n')
		require.NoError(d.t, err)
		if strings.HasPrefix(line, "250 ") {
			return
		}
		require.True(d.t, strings.HasPrefix(line, "250-"), line)
	}
}

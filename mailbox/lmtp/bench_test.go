//go:build unix

package lmtp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/mailbox/lmtp"
)

func init() { child.Main("deliver", deliverMany) } // beside TestMain, which is not for Unix alone

// BenchmarkDelivery is the CPU time, user and system, that one delivery of 5 KB
// costs a server which throws it away, beside what it costs a bare sink. They get
// it in turns, over connections that stay open, from clients that are processes of
// their own: what this process spends is the server's, and so are its profiles.
//
//	go test ./mailbox/lmtp -run '^$' -bench Delivery -benchtime 10000x -count 5
func BenchmarkDelivery(b *testing.B) {
	for _, way := range []string{"DATA", "BDAT", "DATA step by step"} {
		b.Run(way, func(b *testing.B) {
			server := listen(b, (&lmtp.Server{Appender: discard{}, Directory: lmtp.Users{"b@example.org": "b"}}).Serve)
			bare := listen(b, serveBare)
			toServer, toBare := deliverer(b, server, way), deliverer(b, bare, way)
			toServer(100)
			toBare(100)
			b.ReportAllocs() // the server's: the sink has none
			b.ResetTimer()
			var ours, theirs []float64
			for left := b.N; left > 0; left -= 500 {
				n := min(left, 500)
				ours = append(ours, cpu(b, func() { toServer(n) })/float64(n))
				theirs = append(theirs, cpu(b, func() { toBare(n) })/float64(n))
			}
			b.ReportMetric(0, "ns/op") // of both, and of the client
			b.ReportMetric(median(ours), "server-us/op")
			b.ReportMetric(median(theirs), "bare-us/op")
			b.ReportMetric(median(ours)/median(theirs), "x-bare")
		})
	}
}

// listen serves on loopback until the end of a test.
func listen(t testing.TB, serve func(net.Listener) error) (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- serve(listener) }()
	t.Cleanup(func() {
		listener.Close()
		<-served
	})
	return listener.Addr().String()
}

// serveBare is what no server can beat: it reads lines, and has one answer.
func serveBare(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go answerBare(conn)
	}
}

func answerBare(conn net.Conn) {
	defer conn.Close()
	in, out := bufio.NewReaderSize(conn, 8<<10), bufio.NewWriter(conn)
	out.WriteString("220 ready\r\n")
	for {
		if in.Buffered() == 0 {
			out.Flush()
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch string(line[:4]) {
		case "DATA":
			out.WriteString("354 go on\r\n")
			out.Flush()
			for string(line) != ".\r\n" {
				if line, err = in.ReadSlice('\n'); err != nil {
					return
				}
			}
		case "BDAT":
			octets, _, _ := strings.Cut(string(line[5:]), " ")
			n, _ := strconv.Atoi(octets)
			in.Discard(n)
		}
		out.WriteString("250 2.0.0 OK\r\n")
	}
}

// cpu is the CPU time of this process while f runs, in microseconds.
func cpu(t testing.TB, f func()) float64 {
	var before, after syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	f()
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	return float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()) / 1000
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// delivering is what a client does.
type delivering struct{ Address, Way string }

// deliverer connects a client, and returns what lets it deliver so many times.
func deliverer(b *testing.B, address, way string) func(times int) {
	client := child.ForTest(context.Background(), b, "deliver", delivering{address, way})
	client.Stderr = os.Stderr
	in, err := client.StdinPipe()
	require.NoError(b, err)
	out, err := client.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, client.Start())
	b.Cleanup(func() {
		in.Close()
		require.NoError(b, client.Wait())
	})
	done := bufio.NewReader(out)
	return func(times int) {
		fmt.Fprintln(in, times)
		_, err := done.ReadString('\n')
		require.NoError(b, err)
	}
}

// step is what a client says at once, and how many answers there are to it.
type step struct {
	octets  string
	answers int
}

// deliverMany is the client: each line of its input says how often it delivers,
// and is answered by one of its output.
func deliverMany(d delivering) error {
	const mail, rcpt = "MAIL FROM:<a@example.net>\r\n", "RCPT TO:<b@example.org>\r\n"
	text := "Subject: figures\r\n\r\n" + strings.Repeat(strings.Repeat("QUJD", 19)+"\r\n", 65)
	steps := map[string][]step{
		"DATA":              {{mail + rcpt + "DATA\r\n", 3}, {text + ".\r\n", 1}},
		"BDAT":              {{mail + rcpt + "BDAT " + itoa(len(text)) + " LAST\r\n" + text, 3}},
		"DATA step by step": {{mail, 1}, {rcpt, 1}, {"DATA\r\n", 1}, {text + ".\r\n", 1}},
	}[d.Way]
	conn, err := net.Dial("tcp", d.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	play := func(s step) error {
		if _, err := io.WriteString(conn, s.octets); err != nil {
			return err
		}
		for left := s.answers; left > 0; {
			line, err := in.ReadSlice('\n')
			if err != nil || line[0] != '2' && line[0] != '3' {
				return fmt.Errorf("%q %w", line, err)
			}
			if line[3] == ' ' {
				left--
			}
		}
		return nil
	}
	if err := play(step{"LHLO client.example\r\n", 2}); err != nil { // the greeting, too
		return err
	}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); fmt.Println("done") {
		times, err := strconv.Atoi(orders.Text())
		if err != nil {
			return err
		}
		for range times {
			for _, s := range steps {
				if err := play(s); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

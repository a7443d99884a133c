package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// A client that goes away in the middle of a message ends what a store does
// for it, and removes nothing.
func TestClientGoneInTheMiddleOfRETR(t *testing.T) {
	for _, how := range []string{"TCP", "TLS"} {
		t.Run(how, func(t *testing.T) {
			host := newHost(strings.Repeat("a line that is long enough\n", 1<<20), "two")
			var ofOpen context.Context
			host.set(inOpen, func(ctx context.Context) error { ofOpen = ctx; return nil })
			infos := make(chan pop3.SessionInfo, 1)
			server := pop3test.NewUnstartedServer(t, host)
			server.Config.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
			server.Start(t)
			client := server.Dial(t)
			if how == "TLS" {
				client.STLS(server.ClientTLS())
			}
			client.Login("demo", "secret")
			client.Command("DELE 2")
			require.Equal(t, "+OK 29360128 octets", client.Command("RETR 1"))
			client.Line()
			client.Conn().Close()
			info := <-infos
			require.Equal(t, "client gone", info.Reason)
			require.Error(t, info.Err)
			require.Zero(t, info.Retrs, "that was none")
			require.Zero(t, info.Deleted)
			require.Error(t, ofOpen.Err(), "the store's context")
			require.Empty(t, host.removed())
			require.Zero(t, host.count(inDelete))
			host.requireClosed(t)
		})
	}
}

// Commands may come at once, and the client may shut its side down behind
// them: it still gets all its answers.
func TestHalfClose(t *testing.T) {
	for name, last := range map[string]string{"with QUIT": "QUIT\r\n", "without QUIT": ""} {
		t.Run(name, func(t *testing.T) {
			host := newHost("Subject: one\n\nbody\n", "two")
			server := pop3test.NewServer(t, host)
			nc, err := net.Dial("tcp", server.Addr)
			require.NoError(t, err)
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(pop3test.Patience))
			_, err = io.WriteString(nc, goodLogin+"STAT\r\nRETR 1\r\nDELE 2\r\n"+last)
			require.NoError(t, err)
			require.NoError(t, nc.(*net.TCPConn).CloseWrite())
			output, err := io.ReadAll(nc)
			require.NoError(t, err)
			answers := "+OK send PASS\r\n+OK maildrop has 2 messages\r\n+OK 2 27\r\n+OK 22 octets\r\nSubject: one\r\n\r\nbody\r\n.\r\n+OK message 2 deleted\r\n"
			if last != "" {
				answers += "+OK bye\r\n"
			}
			require.Equal(t, answers, timestamp.ReplaceAllString(string(output), "")[len("+OK POP3 server ready \r\n"):])
			server.Close(t)
			require.Equal(t, last != "", len(host.removed()) > 0, "only QUIT removes")
		})
	}
}

// A line without an end takes no more memory than the longest that is allowed,
// and ends the connection.
func TestLineWithoutAnEnd(t *testing.T) {
	const longest = 2048
	for name, test := range map[string]struct {
		before, line string
		longest      int64
	}{
		"a command":        {"", "x", longest},
		"a password":       {"USER demo\r\n", "PASS x", longest},
		"a NUL":            {"", "\x00", longest},
		"a CR":             {"", "\r", longest},
		"AUTH":             {"", "AUTH PLAIN ", 64 << 10},
		"within AUTH":      {"AUTH PLAIN\r\n", "", 64 << 10},
		"after the login":  {goodLogin, "RETR ", longest},
		"AUTH after login": {goodLogin, "AUTH PLAIN ", longest},
	} {
		t.Run(name, func(t *testing.T) {
			var store memory.Store
			infos := make(chan pop3.SessionInfo, 1)
			server := insecure(pop3.Login(pop3test.AnyPassword(), &store))
			server.Hooks = &pop3.Hooks{Close: func(_ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
			p := rawPipe(t, server, t.Context())
			sent := make(chan int, 1)
			go func() {
				n, err := io.WriteString(p.conn, test.before+test.line+strings.Repeat("\x01", 1<<20))
				if err == nil {
					n = -1
				}
				sent <- n
			}()
			output := p.rest(t)
			require.True(t, strings.HasSuffix(output, "\r\n"+tooLong), "%q", output)
			info := <-infos
			const buffered = 512
			require.LessOrEqual(t, info.In, int64(len(test.before))+test.longest+buffered)
			require.Equal(t, "line too long", info.Reason)
			n := <-sent
			require.GreaterOrEqual(t, n, 0, "the server read it all")
			require.LessOrEqual(t, int64(n), int64(len(test.before))+test.longest+buffered)
		})
	}
}

// No control character is part of a command, and none comes back.
func TestControlCharacters(t *testing.T) {
	for octet := range 256 {
		if octet >= ' ' && octet < 0x7f || octet == '\n' {
			continue
		}
		c := string([]byte{byte(octet)})
		for _, line := range []string{c, c + "STAT", "STAT" + c, "ST" + c + "AT", "RETR " + c, "RETR 1" + c, "RETR" + c + "1", "TOP 1 " + c, "QUIT " + c, "X" + c + "X"} {
			if strings.HasSuffix(line, "\r") {
				line += "x" // a CR before the LF is part of the line end
			}
			host := newHost("one")
			conn := newScript([]byte(goodLogin+line+"\r\nSTAT\r\n"), 0)
			insecure(host).ServeConn(t.Context(), conn)
			lines := strings.SplitAfter(conn.out.String(), "\r\n")
			require.Len(t, lines, 6, "%q: %q", line, lines)
			require.Regexp(t, `^-ERR [ -~]+\r\n$`, lines[3], "%q", line)
			require.Equal(t, "+OK 1 5\r\n", lines[4])
		}
	}
}

// cutOff is a connection that breaks after so many octets.
type cutOff struct {
	script
	left int // to write
}

func (c *cutOff) Write(p []byte) (int, error) {
	n := min(c.left, len(p))
	c.left -= n
	c.out.Write(p[:n])
	if n < len(p) {
		return n, errors.New("connection reset by peer")
	}
	return n, nil
}

// A connection that breaks at any octet whatsoever, of what the client says or
// of what it hears, leaves nothing open. Only a QUIT that was read removes
// something, and then it removes everything that was marked (P4).
func TestP4ConnectionBreaksAnywhere(t *testing.T) {
	const dialogue = "CAPA\r\nAUTH TEST\r\nAAAA\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nDELE 2\r\nRSET\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n"
	check := func(input string, left int) (output string, whole bool) {
		host := newHost("Subject: one\n\n.dot\n", "Subject: two\n\nbody\n", "three")
		host.sizes = []int64{-1, -1, 7}
		conn := &cutOff{script: script{input: strings.NewReader(input)}, left: left}
		err := insecure(host).ServeConn(t.Context(), conn)
		host.requireClosed(t)
		if host.count(inDelete) == 0 {
			require.Empty(t, host.removed())
			require.Error(t, err)
			require.NotContains(t, conn.out.String(), "+OK bye")
		} else {
			require.True(t, strings.HasSuffix(input, "QUIT\r\n"))
			require.Equal(t, []string{hostID(1), hostID(2)}, host.removed())
			require.Equal(t, err == nil, strings.HasSuffix(conn.out.String(), "+OK bye\r\n"))
		}
		return conn.out.String(), err == nil
	}
	whole, ok := check(dialogue, 1<<20)
	require.True(t, ok)
	for i := range len(dialogue) {
		output, ok := check(dialogue[:i], 1<<20)
		require.False(t, ok)
		require.Equal(t, timestamp.ReplaceAllString(whole, "")[:len(output)-len(timestamp.FindString(output))], timestamp.ReplaceAllString(output, ""))
	}
	for i := range len(whole) {
		_, ok := check(dialogue, i)
		require.False(t, ok)
	}
}

func TestServeConnOfTLS(t *testing.T) {
	config := pop3test.NewUnstartedServer(t, nil)
	client, conn := net.Pipe()
	server := &pop3.Server{Handler: newHost("one")} // passwords only over TLS
	infos := make(chan bool, 1)
	server.Hooks = &pop3.Hooks{TLS: func(c *pop3.Conn, _ tls.ConnectionState) {
		_, ok := c.TLS()
		infos <- ok
	}}
	over := make(chan error, 1)
	go func() { over <- server.ServeConn(t.Context(), tls.Server(conn, config.Config.TLSConfig)) }()
	secure := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	p := pop3test.NewClient(t, secure)
	require.True(t, <-infos)
	p.Login("demo", "secret")
	status, body := p.Multi("RETR 1")
	require.Equal(t, "+OK 5 octets", status)
	require.Equal(t, "one\r\n", string(body))
	require.Equal(t, "+OK bye", p.Quit())
	require.NoError(t, <-over)
}

// 500 clients at once, every tenth of them with TLS, each with a whole session
// of its own.
func Test500Connections(t *testing.T) {
	const clients = 500
	var store memory.Store
	body := "Subject: x\r\n\r\n.dot\r\n" + strings.Repeat("a line\r\n", 1000)
	for i := range clients {
		for range 2 {
			_, err := store.Append(t.Context(), mailbox.Delivery{Recipients: []mailbox.Recipient{{User: fmt.Sprintf("user%d", i)}}}, strings.NewReader(body))
			require.NoError(t, err)
		}
	}
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), &store))
	failures := make(chan error, clients)
	var all sync.WaitGroup
	together := make(chan struct{})
	for i := range clients {
		nc, err := net.Dial("tcp", server.Addr)
		require.NoError(t, err)
		defer nc.Close()
		all.Go(func() {
			<-together
			failures <- wholeSession(nc, server.ClientTLS(), i, body)
		})
	}
	close(together)
	all.Wait()
	for range clients {
		require.NoError(t, <-failures)
	}
	for i := range clients {
		mb, err := store.Open(t.Context(), mailbox.Login{User: fmt.Sprintf("user%d", i)})
		require.NoError(t, err)
		n := 0
		for range mb.Messages(t.Context()) {
			n++
		}
		require.Equal(t, 1, n, "messages left")
	}
}

// wholeSession reads two messages and removes one.
func wholeSession(nc net.Conn, config *tls.Config, i int, body string) error {
	nc.SetDeadline(time.Now().Add(6 * pop3test.Patience))
	greeting := make([]byte, len("+OK POP3 server ready\r\n"))
	if _, err := io.ReadFull(nc, greeting); err != nil {
		return err
	}
	if i%10 == 0 {
		if _, err := io.WriteString(nc, "STLS\r\n"); err != nil {
			return err
		}
		if _, err := io.ReadFull(nc, make([]byte, len("+OK begin TLS\r\n"))); err != nil {
			return err
		}
		nc = tls.Client(nc, config)
	}
	if _, err := fmt.Fprintf(nc, "USER user%d\r\nPASS x\r\nSTAT\r\nRETR 1\r\nRETR 2\r\nDELE 1\r\nQUIT\r\n", i); err != nil {
		return err
	}
	message := fmt.Sprintf("+OK %d octets\r\n%s.\r\n", len(body), strings.ReplaceAll(body, "\r\n.", "\r\n.."))
	want := fmt.Sprintf("+OK send PASS\r\n+OK maildrop has 2 messages\r\n+OK 2 %d\r\n%s%s+OK message 1 deleted\r\n+OK bye\r\n", 2*len(body), message, message)
	got, err := io.ReadAll(nc)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, []byte(want)) {
		return fmt.Errorf("client %d got %q", i, got[:min(len(got), 200)])
	}
	return nil
}

// Clients work while the server shuts down. Who got +OK to QUIT has lost what
// it marked, nobody else has lost anything, and nobody heard a half answer as a
// whole one.
func TestShutdownUnderLoad(t *testing.T) {
	for _, end := range []struct {
		name string
		stop func(*pop3.Server)
	}{
		{"Shutdown", func(s *pop3.Server) { s.Shutdown(context.Background()) }},
		{"Close", func(s *pop3.Server) { s.Close() }},
	} {
		t.Run(end.name, func(t *testing.T) {
			const clients = 30
			host := newHost(strings.Repeat("a line\n", 5000), "two")
			server := pop3test.NewServer(t, host)
			oks := make(chan int, clients)
			var all sync.WaitGroup
			var begun sync.WaitGroup
			begun.Add(clients)
			for range clients {
				nc, err := net.Dial("tcp", server.Addr)
				require.NoError(t, err)
				all.Go(func() {
					defer nc.Close()
					nc.SetDeadline(time.Now().Add(pop3test.Patience))
					io.WriteString(nc, goodLogin+"RETR 1\r\n")
					begun.Done()
					for range 50 {
						io.WriteString(nc, "RETR 1\r\nDELE 2\r\nRSET\r\n")
					}
					io.WriteString(nc, "DELE 2\r\nQUIT\r\n")
				})
				all.Go(func() {
					output, _ := io.ReadAll(nc)
					oks <- bytes.Count(output, []byte("+OK bye\r\n"))
				})
			}
			begun.Wait()
			end.stop(server.Config)
			all.Wait()
			server.Close(t)
			heard := 0
			for range clients {
				heard += <-oks
			}
			removed := len(host.removed())
			require.LessOrEqual(t, heard, removed, "+OK to QUIT, and nothing removed")
			if end.name == "Shutdown" {
				require.Equal(t, heard, removed)
			}
			host.requireClosed(t)
		})
	}
}

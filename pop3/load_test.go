package pop3_test

import (
	"bytes"
	"context"
	"crypto/tls"
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

// 500 clients have a whole session each at the same time, every tenth of them
// with TLS.
func Test500Connections(t *testing.T) {
	const clients = 500
	var store memory.Store
	body := "Subject: x\r\n\r\n.dot\r\n" + strings.Repeat("a line\r\n", 1000)
	for i := range clients {
		for range 2 {
			_, err := mailbox.Deliver(t.Context(), &store, mailbox.To(fmt.Sprintf("user%d", i)), strings.NewReader(body))
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
		require.Len(t, uidls(t, &store, fmt.Sprintf("user%d", i)), 1, "messages left")
	}
}

// wholeSession logs in, reads two messages and removes one.
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

// The server shuts down while clients are at work. What a client marked is
// removed if its QUIT got +OK, and nothing else is.
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
			host := newFakeHost(strings.Repeat("a line\n", 2000), "two")
			server := pop3test.NewServer(t, host)
			oks := make(chan int, clients)
			var all sync.WaitGroup
			for i := range clients {
				nc, err := net.Dial("tcp", server.Addr)
				require.NoError(t, err)
				nc.SetDeadline(time.Now().Add(pop3test.Patience))
				all.Go(func() {
					io.WriteString(nc, goodLogin)
					for range 10 + 5*i { // so that they finish one after the other
						io.WriteString(nc, "RETR 1\r\nDELE 2\r\nRSET\r\n")
					}
					io.WriteString(nc, "DELE 2\r\nQUIT\r\n")
				})
				all.Go(func() {
					defer nc.Close()
					output, _ := io.ReadAll(nc)
					oks <- bytes.Count(output, []byte("+OK bye\r\n"))
				})
			}
			require.Eventually(t, func() bool { return len(host.removed()) >= clients/10 }, pop3test.Patience, time.Millisecond, "some have finished")
			end.stop(server.Config)
			all.Wait()
			server.Close(t)
			heard := 0
			for range clients {
				heard += <-oks
			}
			removed := len(host.removed())
			t.Logf("%d of %d clients heard +OK to QUIT, %d messages are removed", heard, clients, removed)
			require.LessOrEqual(t, heard, removed, "+OK to QUIT, and nothing removed")
			if end.name == "Shutdown" {
				require.Equal(t, heard, removed)
			}
			host.requireClosed(t)
		})
	}
}

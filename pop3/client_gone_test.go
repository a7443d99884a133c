package pop3_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// When a client goes away in the middle of a message, the context of the
// store's call ends, and nothing is removed.
func TestClientGoneInTheMiddleOfRETR(t *testing.T) {
	for _, how := range []string{"TCP", "TLS"} {
		t.Run(how, func(t *testing.T) {
			host := newFakeHost(strings.Repeat("a line that is long enough\n", 1<<20), "two")
			var ofOpen context.Context
			host.set(inOpen, func(ctx context.Context) error { ofOpen = ctx; return nil })
			infos := make(chan pop3.SessionInfo, 1)
			server := pop3test.NewUnstartedServer(t, host)
			server.Config.Hooks = &pop3.Hooks{Close: func(_ context.Context, _ *pop3.Conn, info pop3.SessionInfo) { infos <- info }}
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
			require.EqualValues(t, "client gone", info.Reason)
			require.Error(t, info.Err)
			require.Zero(t, info.Retrs, "not a whole message")
			require.Zero(t, info.Deleted)
			require.Error(t, ofOpen.Err(), "the store's context")
			require.Empty(t, host.removed())
			require.Zero(t, host.count(inDelete))
			host.requireClosed(t)
		})
	}
}

// A client that sends all its commands at once and then closes its side of the
// connection still gets all the answers.
func TestHalfClose(t *testing.T) {
	for name, last := range map[string]string{"with QUIT": "QUIT\r\n", "without QUIT": ""} {
		t.Run(name, func(t *testing.T) {
			host := newFakeHost("Subject: one\n\nbody\n", "two")
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

// P4: a connection that breaks at any octet, of the client's commands or of the
// server's answers, leaves nothing open. Only a QUIT that was read removes
// messages, and then it removes all that were marked.
func TestP4ConnectionBreaksAnywhere(t *testing.T) {
	const dialogue = "CAPA\r\nAUTH TEST\r\nAAAA\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nTOP 2 1\r\nDELE 1\r\nDELE 2\r\nRSET\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n"
	check := func(input string, left int) (output string, whole bool) {
		host := newFakeHost("Subject: one\n\n.dot\n", "Subject: two\n\nbody\n", "three")
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

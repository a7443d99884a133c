package pop3test_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHostAndPortAreAddr(t *testing.T) {
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), new(memory.Store)))
	require.Equal(t, server.Addr, fmt.Sprintf("%s:%d", server.Host, server.Port))
	require.Equal(t, "127.0.0.1", server.Host)
}

// failure is a test that a client may fail.
type failure struct {
	testing.TB
	text string
}

func (f *failure) Helper()        {}
func (f *failure) Cleanup(func()) {}

func (f *failure) Fatalf(format string, args ...any) {
	f.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails returns with what text a test fails whose server says one thing, ends
// its side of the connection, and listens on.
func fails(t *testing.T, says string, test func(*pop3test.Client)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	defer near.Close()
	far, err := listener.Accept()
	require.NoError(t, err)
	defer far.Close()
	_, err = io.WriteString(far, says)
	require.NoError(t, err)
	require.NoError(t, far.(*net.TCPConn).CloseWrite())

	f := &failure{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(pop3test.NewClient(f, near))
	}()
	<-done
	return f.text
}

func TestClientFailsTheTest(t *testing.T) {
	for _, c := range []struct {
		name, says string
		test       func(*pop3test.Client)
		text       string
	}{
		{"no greeting", "", nil, "closed the connection"},
		{"a greeting without CRLF", "+OK\n", nil, "does not end in CRLF"},
		{"no answer", "+OK\r\n", func(c *pop3test.Client) { c.Command("NOOP") }, "closed the connection"},
		{"a refused login", "+OK\r\n-ERR no\r\n", func(c *pop3test.Client) { c.Login("demo", "x") }, `USER: -ERR "no"`},
		{"no STLS", "+OK\r\n-ERR no\r\n", func(c *pop3test.Client) { c.STLS((&pop3test.Server{}).ClientTLS()) }, `STLS: -ERR "no"`},
		{"a body that breaks off", "+OK\r\n+OK\r\na\r\n", func(c *pop3test.Client) { c.Multi("LIST") }, "closed the connection"},
		{"more than an end", "+OK\r\n+OK\r\n", func(c *pop3test.Client) { c.ExpectClosed() }, `sent more: "+OK"`},
		{"a bit more than an end", "+OK\r\n+O", func(c *pop3test.Client) { c.ExpectClosed() }, `sent more`},
		{"more than an end after -ERR", "-ERR\r\n+OK\r\n", func(c *pop3test.Client) { c.ExpectClosed() }, `sent more: "+OK"`},
	} {
		t.Run(c.name, func(t *testing.T) { require.Contains(t, fails(t, c.says, c.test), c.text) })
	}
}

func TestClientTakesAnswers(t *testing.T) {
	require.Empty(t, fails(t, "-ERR [SYS/TEMP] no\r\n", func(c *pop3test.Client) {
		c.ExpectClosed()
		require.Equal(t, "-ERR [SYS/TEMP] no", c.Greeting)
	}))
	require.Empty(t, fails(t, "+OK\r\n-ERR no\r\n+OK\r\n", func(c *pop3test.Client) {
		status, body := c.Multi("LIST")
		require.Equal(t, "-ERR no", status)
		require.Nil(t, body)
		require.Equal(t, "+OK", c.Quit())
	}))
	require.Empty(t, fails(t, "+OK\r\n+OK 1 2\r\n", func(c *pop3test.Client) {
		n, octets, err := c.Stat(context.Background())
		require.NoError(t, err)
		require.EqualValues(t, []int64{1, 2}, []int64{int64(n), octets})
	}))
}

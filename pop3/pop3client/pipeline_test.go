package pop3client_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3client"
	"github.com/popcask/popcask/pop3/pop3test"
)

// The commands go out together, and an -ERR is about its message alone.
func TestRetrieveAllSendsAhead(t *testing.T) {
	client := greeted(t, `
		C: CAPA
		S: +OK
		S: PIPELINING
		S: .
		C: RETR 3
		C: RETR 1
		C: RETR 7
		S: +OK
		S: three
		S: .
		S: -ERR no such message
		S: +OK
		S: seven
		S: .
		C: NOOP
		S: +OK
		C: (closes)`)
	var got []string
	for m, err := range client.RetrieveAll(t.Context(), []int{3, 1, 7}) {
		require.ErrorIs(t, client.Noop(t.Context()), pop3client.ErrBusy, "in the loop")
		if err != nil {
			require.Nil(t, m.Body)
			got = append(got, fmt.Sprintf("%d %v", m.Number, err))
			continue
		}
		got = append(got, fmt.Sprintf("%d %q", m.Number, readAll(t, m.Body, nil)))
		require.ErrorIs(t, client.Noop(t.Context()), pop3client.ErrBusy, "after the last message of a batch, too")
	}
	require.Equal(t, []string{`3 "three\r\n"`, `1 pop3client: RETR: -ERR "no such message"`, `7 "seven\r\n"`}, got)
	require.NoError(t, client.Noop(t.Context()))
	require.NoError(t, client.Close())
}

// What a server can do is asked once, and again after a login: it may be more
// then (RFC 2449 section 5).
func TestCapabilitiesAreForgottenAtALogin(t *testing.T) {
	for login, question := range map[string]question{
		"C: USER demo\nS: +OK\nC: PASS secret\nS: +OK": func(ctx context.Context, c *pop3client.Client) error {
			return c.Login(ctx, "demo", "secret")
		},
		"C: AUTH PLAIN AGRlbW8Ac2VjcmV0\nS: +OK": auth,
	} {
		client := greeted(t, `
			C: CAPA
			S: +OK
			S: PIPELINING
			S: .
			C: RETR 1
			C: RETR 2
			S: -ERR log in
			S: -ERR log in
			`+login+`
			C: CAPA
			S: +OK
			S: .
			C: RETR 1
			S: -ERR
			C: RETR 2
			S: -ERR
			C: RETR 1
			S: -ERR
			C: (closes)`)
		ctx := t.Context()
		_, err := client.Capabilities(ctx)
		require.NoError(t, err)
		for range client.RetrieveAll(ctx, []int{1, 2}) {
		}
		require.NoError(t, question(ctx, client))
		for range client.RetrieveAll(ctx, []int{1, 2}) {
		}
		for range client.RetrieveAll(ctx, []int{1}) {
		}
		require.NoError(t, client.Close())
	}
}

// Without the capability each command waits for the answer before it.
func TestRetrieveAllWithoutPipelining(t *testing.T) {
	for _, capa := range []string{"S: -ERR no", "S: +OK\nS: TOP\nS: ."} {
		client := greeted(t, "C: CAPA\n"+capa+`
			C: RETR 1
			S: +OK
			S: one
			S: .
			C: RETR 2
			S: +OK
			S: two
			S: .
			C: (closes)`)
		n := 0
		for m, err := range client.RetrieveAll(t.Context(), []int{1, 2}) {
			require.NoError(t, err)
			n++
			require.Equal(t, n, m.Number)
		}
		require.Equal(t, 2, n)
		require.NoError(t, client.Close())
	}
}

// No more than MaxAhead commands are ever without an answer, and each message
// is whole, over a connection that holds nothing: neither side may write while
// the other does.
func TestRetrieveAllNeverBlocks(t *testing.T) {
	const messages = 3*pop3client.MaxAhead + 5
	var files []string
	for range messages {
		files = append(files, "Subject: x\r\n\r\n"+strings.Repeat("..dots\r\n", 3000))
	}
	server := &pop3.Server{Handler: pop3.Login(pop3test.AnyPassword(), mail(t, files...)), AllowInsecureAuth: true}
	near, far := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { server.ServeConn(context.Background(), far) })
	client, err := pop3client.New(t.Context(), near, insecure)
	require.NoError(t, err)
	require.NoError(t, client.Login(t.Context(), "demo", "x"))
	list, err := client.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, messages)
	var numbers []int
	for _, m := range list {
		numbers = append(numbers, m.Number)
	}
	n := 0
	for m, err := range client.RetrieveAll(t.Context(), numbers) {
		require.NoError(t, err)
		require.Equal(t, numbers[n], m.Number)
		if n%3 > 0 { // some are left to the loop
			require.Equal(t, files[n], readAll(t, m.Body, nil))
		}
		n++
	}
	require.Equal(t, messages, n)
	require.NoError(t, client.Quit(t.Context()))
	serving.Wait()
}

// A loop that is left reads what is on its way, and the session goes on.
func TestRetrieveAllThatIsLeft(t *testing.T) {
	dialogue := `
		C: CAPA
		S: +OK
		S: PIPELINING
		S: .
		C: RETR 1
		C: RETR 2
		C: RETR 3
		S: +OK
		S: one
		S: .
		S: -ERR
		S: +OK
		S: three
		S: .
		C: NOOP
		S: +OK
		C: (closes)`
	client := greeted(t, dialogue)
	for range client.RetrieveAll(t.Context(), []int{1, 2, 3}) {
		break
	}
	require.NoError(t, client.Noop(t.Context()))
	require.NoError(t, client.Close())

	// Too much is on its way: the connection ends.
	_, server, err := ask(t, io.MultiReader(strings.NewReader("+OK\r\nPIPELINING\r\n.\r\n+OK\r\none\r\n.\r\n"), forever("+OK\r\n", "two\r\n")),
		pop3client.Options{}, func(ctx context.Context, c *pop3client.Client) error {
			for _, err := range c.RetrieveAll(ctx, []int{1, 2, 3}) {
				require.NoError(t, err)
				break
			}
			return c.Noop(ctx)
		})
	require.ErrorContains(t, err, "closed long before its end")
	require.True(t, server.closed)
}

// An error that is not about one message is the last.
func TestRetrieveAllEndsWithTheConnection(t *testing.T) {
	for name, c := range map[string]struct {
		answers string
		yields  int
	}{
		"in CAPA":              {"+OK\r\n", 1},
		"in a status":          {"+OK\r\nPIPELINING\r\n.\r\n+OK\r\n.\r\n+OK", 2},
		"in a message":         {"+OK\r\nPIPELINING\r\n.\r\n+OK\r\n.\r\n+OK\r\ntwo\r\n", 3},
		"between the messages": {"-ERR\r\n+OK\r\n.\r\n", 2},
	} {
		yields := 0
		var last error
		_, server, _ := ask(t, strings.NewReader(c.answers), pop3client.Options{}, func(ctx context.Context, client *pop3client.Client) error {
			for _, err := range client.RetrieveAll(ctx, []int{1, 2, 3}) {
				yields++
				require.NoError(t, last)
				last = err
			}
			require.ErrorIs(t, client.Noop(ctx), io.ErrUnexpectedEOF, name)
			return nil
		})
		require.Error(t, last, name)
		require.Equal(t, c.yields, yields, name)
		require.True(t, server.closed)
	}
}

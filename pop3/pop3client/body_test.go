package pop3client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/pop3/pop3client"
)

// unstuffed is what RFC 1939 section 3 says, line by line. It returns the body
// before the end or the first mistake, and whether the body ends well.
func unstuffed(octets []byte) (body []byte, ends bool) {
	for line := range bytes.Lines(octets) {
		switch text, ended := bytes.CutSuffix(line, []byte("\r\n")); {
		case !ended:
			return body, false
		case string(text) == ".":
			return body, true
		}
		body = append(body, bytes.TrimPrefix(line, []byte("."))...)
	}
	return body, false
}

// A body is the same however the network cuts it, and however it is read.
func TestBodyIsUnstuffed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		piece := rapid.SampledFrom([]string{".", ".", "\r\n", "\r\n", "\r", "\n", "a", "line", strings.Repeat("x", 700)})
		sent := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(r, "sent"), "")
		if rapid.Bool().Draw(r, "ends") {
			sent += "\r\n.\r\n"
		}
		want, ends := unstuffed([]byte(sent))
		var answer io.Reader = strings.NewReader("+OK\r\n" + sent)
		if rapid.Bool().Draw(r, "octet by octet") {
			answer = iotest.OneByteReader(answer)
		}
		server := &says{Reader: io.MultiReader(strings.NewReader("+OK\r\n"), answer)}
		client, err := pop3client.New(t.Context(), server, pop3client.Options{MaxLine: 512})
		require.NoError(r, err)
		body, err := client.Retr(t.Context(), 1)
		require.NoError(r, err)
		var got bytes.Buffer
		_, err = io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{body}, make([]byte, rapid.IntRange(1, 40).Draw(r, "at once")))
		require.Equal(r, ends, err == nil, "%v", err)
		require.Equal(r, ends, body.Close() == nil)
		require.Equal(r, !ends, server.closed)
		if ends {
			require.Equal(r, string(want), got.String())
			return
		}
		// What came before the mistake may end within its line.
		require.True(r, strings.HasPrefix(got.String(), string(want)), "%q after %q", got.String(), want)
	})
}

// Close reads what is left of a small message, so that the session goes on.
func TestCloseDropsTheRest(t *testing.T) {
	small := strings.Repeat("a line\r\n", 20_000) // 160 kB
	_, server, err := ask(t, strings.NewReader("+OK\r\n"+small+".\r\n+OK\r\n"), pop3client.Options{}, func(ctx context.Context, c *pop3client.Client) error {
		body, err := c.Retr(ctx, 1)
		require.NoError(t, err)
		_, err = io.ReadFull(body, make([]byte, 10))
		require.NoError(t, err)
		require.NoError(t, body.Close())
		require.NoError(t, body.Close(), "again")
		_, err = body.Read(make([]byte, 10))
		require.Equal(t, io.EOF, err)
		return c.Noop(ctx)
	})
	require.NoError(t, err)
	require.False(t, server.closed)
}

// A large one is not worth it.
func TestCloseOfALargeMessageEndsTheConnection(t *testing.T) {
	_, server, err := ask(t, forever("+OK\r\n", "a line\r\n"), pop3client.Options{}, func(ctx context.Context, c *pop3client.Client) error {
		body, err := c.Retr(ctx, 1)
		require.NoError(t, err)
		require.ErrorContains(t, body.Close(), "closed long before its end")
		_, err = body.Read(make([]byte, 10))
		require.ErrorContains(t, err, "closed long before its end", "and never io.EOF")
		return c.Noop(ctx)
	})
	require.ErrorContains(t, err, "closed long before its end")
	require.True(t, server.closed)
}

// Until a message is read or closed, no other command is sent.
func TestAnOpenMessageMakesTheClientBusy(t *testing.T) {
	_, _, err := ask(t, strings.NewReader("+OK\r\na\r\n.\r\n+OK\r\n"), pop3client.Options{}, func(ctx context.Context, c *pop3client.Client) error {
		body, err := c.Retr(ctx, 1)
		require.NoError(t, err)
		for _, q := range []question{noop, stat, list, uidl, capa, stls, retr, multi, auth, all} {
			require.ErrorIs(t, q(ctx, c), pop3client.ErrBusy)
		}
		n, err := body.Read(nil)
		require.Zero(t, n)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		return c.Noop(ctx)
	})
	require.NoError(t, err)
}

// Closing the client ends a message that is being read.
func TestCloseInTheMiddleOfAMessage(t *testing.T) {
	near, _ := silent(t, "+OK\r\na\r\n", func() {})
	client, err := pop3client.New(t.Context(), near, insecure)
	require.NoError(t, err)
	body, err := client.Retr(t.Context(), 1)
	require.NoError(t, err)
	require.NoError(t, client.Close())
	_, err = io.ReadAll(body)
	require.Error(t, err)
	require.False(t, errors.Is(err, io.EOF))
}

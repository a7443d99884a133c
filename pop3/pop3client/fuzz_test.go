package pop3client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3/pop3client"
)

const fuzzLimit = 1000

// FuzzServer lets a server say anything, in answer to commands in any order,
// one for each octet of asks. The client must not panic or hang, hold more than
// its limits, return what is illegal, or go on after an error that is no
// answer.
func FuzzServer(f *testing.F) {
	for asks, says := range map[string]string{
		"":     "-ERR [SYS/TEMP] no\r\n",
		"l":    "+OK\r\n+OK\r\n1 120\r\n2 200\r\n.\r\n",
		"u":    "+OK\r\n+OK\r\n1 a\r\n2 b\r\n.\r\n",
		"s":    "+OK\r\n+OK 2 320\r\n",
		"r":    "+OK\r\n+OK\r\nSubject: x\r\n\r\n..\r\n.\r\n",
		"cR":   "+OK\r\n+OK\r\nPIPELINING\r\nSASL PLAIN\r\n.\r\n+OK\r\na\r\n.\r\n-ERR\r\n+OK\r\n.\r\n",
		"a":    "+OK\r\n+ \r\n-ERR [AUTH] no\r\n",
		"p":    "+OK <1@a>\r\n+OK\r\n",
		"t":    "+OK\r\n+OK\r\n+OK\r\n",
		"mnrn": "+OK\r\n+OK\r\n..\r\n.\r\n+OK\r\n-ERR\r\n+OK\r\n",
		"12n":  "+OK\r\n+OK 7 2\r\n+OK 7 a\r\n+OK\r\n",
	} {
		f.Add(asks, []byte(says))
	}
	options := pop3client.Options{AllowInsecureAuth: true, MaxLine: 512, MaxListing: fuzzLimit, MaxMessage: fuzzLimit}
	f.Fuzz(func(t *testing.T, asks string, octets []byte) {
		server := &says{Reader: bytes.NewReader(octets)}
		client, err := pop3client.New(t.Context(), server, options)
		if client == nil {
			require.Error(t, err)
			return
		}
		for i := range min(len(asks), 20) {
			question, known := fuzzQuestions[asks[i]]
			if !known {
				continue
			}
			err := question(t, client)
			if err == nil || errors.As(err, new(*pop3client.Error)) || errors.Is(err, errArgument) {
				continue
			}
			require.True(t, server.closed, "%v", err)
			require.ErrorContains(t, client.Noop(t.Context()), "the connection has ended")
			return
		}
		require.False(t, server.closed)
	})
}

// errArgument stands for errors that are the client's own, and send nothing.
var errArgument = errors.New("argument")

func plainly(q question) func(*testing.T, *pop3client.Client) error {
	return func(t *testing.T, c *pop3client.Client) error { return q(t.Context(), c) }
}

var fuzzQuestions = map[byte]func(*testing.T, *pop3client.Client) error{
	'n': plainly(noop),
	's': plainly(stat),
	'a': plainly(func(ctx context.Context, c *pop3client.Client) error {
		return c.Auth(ctx, mechanism{"X-ECHO", []byte("x"), func(challenge []byte) ([]byte, error) { return challenge, nil }})
	}),
	't': plainly(stls),
	'1': plainly(size),
	'2': plainly(one),
	'c': plainly(capa),
	'd': plainly(func(ctx context.Context, c *pop3client.Client) error { return c.Login(ctx, "demo", "secret") }),
	'p': func(t *testing.T, c *pop3client.Client) error {
		if !c.CanAPOP() {
			return errArgument
		}
		return c.APOP(t.Context(), "demo", "secret")
	},
	'l': func(t *testing.T, c *pop3client.Client) error {
		list, err := c.List(t.Context())
		requireLegal(t, list)
		return err
	},
	'u': func(t *testing.T, c *pop3client.Client) error {
		list, err := c.UIDL(t.Context())
		requireLegal(t, list)
		for _, m := range list {
			require.True(t, mailbox.ValidUIDL(m.UIDL))
		}
		return err
	},
	'm': func(t *testing.T, c *pop3client.Client) error {
		_, body, err := c.Multi(t.Context(), "X")
		require.LessOrEqual(t, len(body), fuzzLimit)
		requireLines(t, body)
		return err
	},
	'r': func(t *testing.T, c *pop3client.Client) error {
		body, err := c.Retr(t.Context(), 1)
		if err != nil {
			return err
		}
		return requireMessage(t, body)
	},
	'R': func(t *testing.T, c *pop3client.Client) (last error) {
		n := 0
		for m, err := range c.RetrieveAll(t.Context(), []int{1, 2, 3}) {
			if last = err; err == nil {
				last = requireMessage(t, m.Body)
			}
			n++
		}
		require.LessOrEqual(t, n, 4)
		return last
	},
}

// requireLegal demands that a listing is of messages in their order, and fits.
func requireLegal(t *testing.T, list []pop3client.Message) {
	t.Helper()
	require.LessOrEqual(t, len(list), fuzzLimit/len("1 1\r\n"))
	before := 0
	for _, m := range list {
		require.Greater(t, m.Number, before)
		require.GreaterOrEqual(t, m.Size, int64(0))
		before = m.Number
	}
}

func requireMessage(t *testing.T, body io.Reader) error {
	t.Helper()
	octets, err := io.ReadAll(body)
	require.LessOrEqual(t, len(octets), fuzzLimit)
	if err == nil {
		requireLines(t, octets)
	}
	return err
}

// requireLines demands that every line ends in CRLF.
func requireLines(t *testing.T, octets []byte) {
	t.Helper()
	for line := range bytes.Lines(octets) {
		require.True(t, bytes.HasSuffix(line, []byte("\r\n")), "%q", line)
	}
}

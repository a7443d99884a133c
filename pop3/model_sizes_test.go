package pop3_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// P6: STAT says the count and the sum of LIST, and LIST n the octets of RETR n,
// with and without marks, for a store that knows the sizes and for one that
// does not.
func TestP6SizesAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var store memory.Store
		m := deliver(t, &store, rapid.SliceOfN(anyBody, 1, 5).Draw(t, "bodies"))
		handler := pop3.Login(demo, &store)
		if rapid.Bool().Draw(t, "sizes unknown") {
			handler = pop3.Login(demo, sizeless{&store})
		}
		var input strings.Builder
		input.WriteString(goodLogin)
		for range rapid.IntRange(0, 3).Draw(t, "rounds") {
			n := rapid.IntRange(1, len(m.bodies)).Draw(t, "marked")
			input.WriteString(rapid.SampledFrom([]string{"STAT\r\n", "RSET\r\n", fmt.Sprintf("DELE %d\r\nLIST\r\n", n)}).Draw(t, "round"))
		}
		before := newScript([]byte(input.String()), 0)
		server := insecure(handler)
		server.MaxBadCommands = -1
		server.ServeConn(context.Background(), before)
		input.WriteString("STAT\r\nLIST\r\n")
		for n := range m.bodies {
			fmt.Fprintf(&input, "LIST %d\r\nRETR %d\r\n", n+1, n+1)
		}
		conn := newScript([]byte(input.String()), 0)
		server.ServeConn(context.Background(), conn)
		output := conn.out.String()[before.out.Len():]

		sizes, output := requireSums(t, output)
		requireSizes(t, m, sizes, output)
	})
}

// requireSums checks the answers to STAT and LIST against each other. It
// returns the sizes of LIST by message, and the rest of the output.
func requireSums(t require.TestingT, output string) (sizes map[int]int, rest string) {
	var count, octets, first, second int
	_, err := fmt.Sscanf(output, "+OK %d %d\r\n+OK %d %d\r\n", &count, &octets, &first, &second)
	require.NoError(t, err)
	require.Equal(t, []int{count, octets}, []int{first, second}, "STAT, and the first line of LIST")
	_, output, _ = strings.Cut(output, "\r\n")
	_, output, _ = strings.Cut(output, "\r\n")
	sizes = make(map[int]int)
	for !strings.HasPrefix(output, ".\r\n") {
		var n, size int
		_, err := fmt.Sscanf(output, "%d %d\r\n", &n, &size)
		require.NoError(t, err)
		sizes[n] = size
		count--
		octets -= size
		_, output, _ = strings.Cut(output, "\r\n")
	}
	require.Zero(t, count, "STAT counts other messages than LIST")
	require.Zero(t, octets, "STAT counts other octets than LIST")
	return sizes, strings.TrimPrefix(output, ".\r\n")
}

// requireSizes checks the answers to LIST n and RETR n, for each message in
// turn.
func requireSizes(t require.TestingT, m *model, sizes map[int]int, output string) {
	for i := range m.bodies {
		var line string
		line, output, _ = strings.Cut(output, "\r\n")
		size, listed := sizes[i+1]
		if !listed {
			require.True(t, strings.HasPrefix(line, refusal), "LIST %d: %s", i+1, line)
			line, output, _ = strings.Cut(output, "\r\n")
			require.True(t, strings.HasPrefix(line, refusal), "RETR %d: %s", i+1, line)
			continue
		}
		require.Equal(t, fmt.Sprintf("+OK %d %d", i+1, size), line)
		line, output, _ = strings.Cut(output, "\r\n")
		require.True(t, strings.HasPrefix(line, "+OK "), "RETR %d: %s", i+1, line)
		var body []byte
		body, output = unstuff(t, output)
		require.Len(t, body, size, "RETR %d", i+1)
		require.Equal(t, string(m.bodies[i]), string(body))
	}
}

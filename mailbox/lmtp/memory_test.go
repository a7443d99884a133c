package lmtp_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
)

// discard is a store that reads a message and forgets it.
type discard struct{}

func (discard) Append(_ context.Context, delivery mailbox.Delivery, body io.Reader) ([]mailbox.Result, error) {
	_, err := io.Copy(io.Discard, body)
	return make([]mailbox.Result, len(delivery.Recipients)), err
}

// flood is a script in which the client says one thing many times, and then
// something else.
type flood struct {
	script
	again string
	times int
	then  string
}

func (f *flood) Read(p []byte) (int, error) {
	if f.input == "" {
		if f.times--; f.times >= 0 {
			f.input = f.again
		} else {
			f.input, f.then = f.then, ""
		}
	}
	return f.script.Read(p)
}

// A session needs no more memory for a message of 50 MB than for a small one,
// however it comes, even if garbage counts.
func TestMemoryIsFlat(t *testing.T) {
	const part, times = 64 << 10, 800
	for lines, text := range map[string]string{
		"lines":    strings.Repeat("a line of sixty-four octets, with all that belongs to its end.\r\n", part/64),
		"one line": strings.Repeat("x", part), // and one field of the header
	} {
		require.Len(t, text, part)
		for way, conn := range map[string]*flood{
			"DATA":        {script: script{input: "DATA\r\n"}, again: text, then: "\r\n.\r\n"},
			"a chunk":     {script: script{input: fmt.Sprintf("BDAT %d LAST\r\n", part*times)}, again: text},
			"many chunks": {again: fmt.Sprintf("BDAT %d\r\n%s", part, text), then: "BDAT 0 LAST\r\n"},
		} {
			t.Run(lines+", "+way, func(t *testing.T) {
				r := newServer(lmtp.SMTP)
				r.Appender, r.MaxMessageSize = discard{}, -1
				conn.input = "EHLO x\r\n" + envelope + conn.input
				conn.times, conn.then = times, conn.then+"QUIT\r\n"
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				require.NoError(t, r.ServeConn(t.Context(), conn))
				runtime.ReadMemStats(&after)
				require.Contains(t, conn.out.String(), "OK: delivered as ")
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
			})
		}
	}
}

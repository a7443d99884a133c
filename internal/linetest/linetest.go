// Package linetest plays the client's side of a protocol of lines, for tests.
package linetest

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Play follows a script:
//
//	C: a line of the client
//	R: "octets of the client, as a Go string"
//	S: a line of the server; * stands for anything
//	S: EOF
//
// Lines of the client that follow each other go out in one write.
func Play(t testing.TB, conn io.Writer, reader *bufio.Reader, script string) {
	t.Helper()
	var out strings.Builder
	flush := func() {
		t.Helper()
		if out.Len() == 0 {
			return
		}
		_, err := io.WriteString(conn, out.String())
		require.NoError(t, err)
		out.Reset()
	}
	for line := range strings.SplitSeq(script, "\n") {
		line = strings.TrimSpace(line)
		side, text, _ := strings.Cut(line, ":")
		text = strings.TrimPrefix(text, " ")
		switch side {
		case "":
		case "C":
			out.WriteString(text + "\r\n")
		case "R":
			octets, err := strconv.Unquote(text)
			require.NoError(t, err, line)
			out.WriteString(octets)
		case "S":
			flush()
			expect(t, reader, text)
		default:
			require.Fail(t, "not a line of a script", line)
		}
	}
	flush()
}

func expect(t testing.TB, reader *bufio.Reader, want string) {
	t.Helper()
	got, err := reader.ReadString('\n')
	if want == "EOF" {
		require.Equal(t, io.EOF, err, "got %q", got)
		return
	}
	require.NoError(t, err, "S: %s", want)
	require.True(t, strings.HasSuffix(got, "\r\n"), "line end of %q", got)
	got = strings.TrimSuffix(got, "\r\n")
	if head, tail, wild := strings.Cut(want, "*"); wild {
		require.True(t, len(got) >= len(head)+len(tail) && strings.HasPrefix(got, head) && strings.HasSuffix(got, tail),
			"S: %s\ngot %s", want, got)
		return
	}
	require.Equal(t, want, got)
}

// Hello says EHLO or LHLO, and reads the lines of the answer.
func Hello(t testing.TB, conn io.Writer, reader *bufio.Reader, verb string) {
	t.Helper()
	Play(t, conn, reader, "C: "+verb+" client.example")
	for {
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		if strings.HasPrefix(line, "250 ") {
			return
		}
		require.True(t, strings.HasPrefix(line, "250-"), line)
	}
}

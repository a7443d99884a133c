package pop3_test

import (
	"bytes"
	"strings"

	"github.com/stretchr/testify/require"
)

// naiveCanonical returns the canonical form by its definition, line by line.
func naiveCanonical(message []byte) []byte {
	var canonical []byte
	for _, line := range bytes.SplitAfter(message, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		canonical = append(append(canonical, line...), "\r\n"...)
	}
	return canonical
}

// naiveTop returns the top of a message by its definition, line by line.
func naiveTop(message []byte, lines int) []byte {
	var top []byte
	inBody := false
	for _, line := range bytes.SplitAfter(naiveCanonical(message), []byte("\n")) {
		if len(line) == 0 || inBody && lines == 0 {
			break
		}
		top = append(top, line...)
		if inBody {
			lines--
		} else if string(line) == "\r\n" {
			inBody = true
		}
	}
	return top
}

// unstuff undoes byte-stuffing as RFC 1939 section 3 tells a client to. It
// returns what follows the final dot as well.
func unstuff(t require.TestingT, body string) (message []byte, rest string) {
	for {
		line, after, found := strings.Cut(body, "\r\n")
		require.True(t, found, "no final dot")
		body = after
		if line == "." {
			return message, body
		}
		message = append(append(message, strings.TrimPrefix(line, ".")...), "\r\n"...)
	}
}

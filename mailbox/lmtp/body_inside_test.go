package lmtp

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHopCounter(t *testing.T) {
	for _, test := range []struct {
		name, text string
		hops       int
	}{
		{"none", "Subject: x\r\n\r\n", 0},
		{"any case", "RECEIVED: a\r\nreceived: b\r\nReceived:c\r\n\r\n", 3},
		{"LF", "Received: a\nReceived: b\n\nReceived: c\n", 2},
		{"folded", "Received: a\r\n Received: b\r\n\r\n", 1},
		{"others", "X-Received: a\r\nReceived-SPF: b\r\nReceiv\r\n\r\n", 0},
		{"body", "Subject: x\r\n\r\nReceived: a\r\n", 0},
		{"no body", "Received: a", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			for stretch := 1; stretch <= len(test.text); stretch++ {
				var h hopCounter
				for text := test.text; text != ""; {
					n := min(stretch, len(text))
					h.count([]byte(text[:n]))
					text = text[n:]
				}
				require.Equal(t, test.hops, h.hops, "in stretches of %d", stretch)
			}
		})
	}
}

package pop3

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

// A canonical message is stuffed the same way if it is known to be canonical as
// if it is not, in writes of any size.
func TestStuffingOfACanonicalMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOf(rapid.SampledFrom([]byte("..a\r\n\n"))).Draw(t, "message")
		message, err := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader(raw)))
		require.NoError(t, err)
		var any, canonical bytes.Buffer
		a := stuffer{w: &any}
		c := stuffer{w: &canonical, canonical: true}
		for rest := message; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			a.Write(rest[:n])
			c.Write(rest[:n])
			rest = rest[n:]
		}
		require.NoError(t, a.close())
		require.NoError(t, c.close())
		require.Equal(t, any.String(), canonical.String())
		require.Equal(t, a.octets, c.octets)
		require.Equal(t, int64(len(message)), c.octets)
	})
}

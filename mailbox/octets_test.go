package mailbox_test

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

// mail draws messages with many kinds of line ends, some of them longer than the
// reader's buffer.
func mail() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\r\r\n", "\n\r", ".", "\x00", "x", "Subject: y\r\n", "\r\n\r\n", "\n\n"}),
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", "x"}),
		rapid.StringMatching(`[a-z]{0,20}`),
		rapid.Map(rapid.IntRange(16<<10-3, 16<<10+3), func(n int) string { return strings.Repeat("y", n) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 30), func(pieces []string) string { return strings.Join(pieces, "") })
}

// drawnReader returns its octets in reads of drawn lengths, some of them empty,
// and io.EOF with the last octets or after them.
type drawnReader struct {
	t    *rapid.T
	rest string
}

func (r *drawnReader) Read(p []byte) (int, error) {
	most := min(len(p), len(r.rest))
	n := most
	if rapid.Bool().Draw(r.t, "short read") {
		n = rapid.IntRange(0, most).Draw(r.t, "octets read")
	}
	copy(p, r.rest[:n])
	r.rest = r.rest[n:]
	if r.rest == "" && (n == 0 || rapid.Bool().Draw(r.t, "end beside octets")) {
		return n, io.EOF
	}
	return n, nil
}

// readAll reads in pieces of drawn lengths.
func readAll(t *rapid.T, r io.Reader) string {
	var all []byte
	buffer := make([]byte, 64<<10)
	for {
		size := rapid.SampledFrom([]int{1, 2, 3, 100, 16 << 10, len(buffer)}).Draw(t, "octets asked for")
		n, err := r.Read(buffer[:size])
		all = append(all, buffer[:n]...)
		if err == io.EOF {
			return string(all)
		}
		require.NoError(t, err)
	}
}

// What the readers cost in addition to the copy that is made anyway.
func BenchmarkOctets(b *testing.B) {
	lines := strings.Repeat("A line as long as lines of mail are wont to be, or nearly so.\r\n", 16_000)
	for _, form := range []struct{ name, text string }{
		{"CRLF", lines},
		{"LF", strings.ReplaceAll(lines, "\r\n", "\n")},
		{"OneLine", strings.ReplaceAll(lines, "\r\n", "  ")},
	} {
		source := strings.NewReader(form.text)
		plain := struct{ io.Reader }{source} // without WriteTo, as a file or a row is
		buffer := make([]byte, 32<<10)
		for _, sibling := range []struct {
			name string
			wrap func(io.Reader) io.Reader
		}{
			{"Bare", func(r io.Reader) io.Reader { return r }},
			{"Canonical", func(r io.Reader) io.Reader { return mailbox.NewCanonicalReader(r) }},
			{"Top", func(r io.Reader) io.Reader { return mailbox.NewTopReader(r, 1<<30) }},
		} {
			b.Run(form.name+"/"+sibling.name, func(b *testing.B) {
				b.SetBytes(int64(len(form.text)))
				b.ReportAllocs()
				for b.Loop() {
					source.Reset(form.text)
					_, err := io.CopyBuffer(discard{}, sibling.wrap(plain), buffer)
					require.NoError(b, err)
				}
			})
		}
	}
}

// discard copies what it is given, as a connection does, and has no ReadFrom.
type discard struct{}

var sink [32 << 10]byte

func (discard) Write(p []byte) (int, error) { return copy(sink[:], p), nil }

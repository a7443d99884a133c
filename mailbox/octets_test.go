package mailbox_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

// naiveCanonical is the canonical form in two sentences of code.
func naiveCanonical(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n")
	if s != "" && !strings.HasSuffix(s, "\n") {
		s = strings.TrimSuffix(s, "\r") + "\r\n"
	}
	return s
}

func TestCanonicalForm(t *testing.T) {
	for _, c := range []struct{ name, in, out string }{
		{"empty stays empty", "", ""},
		{"canonical stays", "a\r\nb\r\n", "a\r\nb\r\n"},
		{"bare LF", "a\nb\n", "a\r\nb\r\n"},
		{"bare LF alone", "\n", "\r\n"},
		{"bare LFs", "\n\n\n", "\r\n\r\n\r\n"},
		{"bare CR is content", "a\rb\r\n", "a\rb\r\n"},
		{"CR CR LF", "a\r\r\n", "a\r\r\n"},
		{"LF CR", "a\n\rb\n", "a\r\n\rb\r\n"},
		{"no final line end", "a", "a\r\n"},
		{"final CR becomes one CRLF", "a\r", "a\r\n"},
		{"CR alone", "\r", "\r\n"},
		{"two final CRs", "a\r\r", "a\r\r\n"},
		{"a NUL alone", "\x00", "\x00\r\n"},
		{"a final NUL", "a\r\n\x00", "a\r\n\x00\r\n"},
		{"8-bit", "\xff\xfe\n", "\xff\xfe\r\n"},
		{"dots are not stuffed", ".\n..\n", ".\r\n..\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.out, naiveCanonical(c.in), "the reference")
			reader := mailbox.NewCanonicalReader(strings.NewReader(c.in))
			out, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.Equal(t, c.out, string(out))
			require.EqualValues(t, len(c.out), reader.Octets())
			require.NoError(t, iotest.TestReader(mailbox.NewCanonicalReader(strings.NewReader(c.in)), out))

			n, err := mailbox.Octets(strings.NewReader(c.in))
			require.NoError(t, err)
			require.EqualValues(t, len(c.out), n)
		})
	}
}

// mail draws octets with the borders that matter, now and then long enough to
// cross the reader's buffer.
func mail() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", "\r\r\n", "\n\r", ".", "\x00", "x", "Subject: y\r\n", "\r\n\r\n", "\n\n"}),
		rapid.SampledFrom([]string{"\r", "\n", "\r\n", "x"}),
		rapid.StringMatching(`[a-z]{0,20}`),
		rapid.Map(rapid.IntRange(16<<10-3, 16<<10+3), func(n int) string { return strings.Repeat("y", n) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 30), func(pieces []string) string { return strings.Join(pieces, "") })
}

// drawnReader hands out its octets in reads of drawn lengths, empty ones among
// them, and the end with the last octets or after them.
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

func TestCanonicalFormOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := mail().Draw(t, "message")
		reader := mailbox.NewCanonicalReader(&drawnReader{t: t, rest: in})
		out := readAll(t, reader)
		require.Equal(t, naiveCanonical(in), out)
		require.EqualValues(t, len(out), reader.Octets())

		again, err := io.ReadAll(mailbox.NewCanonicalReader(strings.NewReader(out)))
		require.NoError(t, err)
		require.Equal(t, out, string(again), "the canonical form is its own canonical form")
	})
}

func TestCanonicalReaderPassesErrorsOn(t *testing.T) {
	cause := errors.New("line broke")
	reader := mailbox.NewCanonicalReader(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(cause)))
	out, err := io.ReadAll(reader)
	require.ErrorIs(t, err, cause)
	require.Equal(t, "a\r\nb", string(out), "a message that broke off gets no line end: it must not look whole")

	_, err = reader.Read(make([]byte, 1))
	require.ErrorIs(t, err, cause, "the error stays")

	_, err = mailbox.Octets(iotest.ErrReader(cause))
	require.ErrorIs(t, err, cause)
}

func TestCanonicalReaderGivesUpOnASourceThatGivesNothing(t *testing.T) {
	_, err := mailbox.NewCanonicalReader(idle{}).Read(make([]byte, 10))
	require.ErrorIs(t, err, io.ErrNoProgress)

	n, err := mailbox.NewCanonicalReader(idle{}).Read(nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// naiveTop is what TOP sends, by lines of text.
func naiveTop(s string, lines int) string {
	var top strings.Builder
	body := false
	for line := range strings.Lines(s) {
		if body {
			lines--
		}
		if body && lines < 0 {
			break
		}
		top.WriteString(line)
		body = body || line == "\n" || line == "\r\n"
	}
	return top.String()
}

func TestTopRFC1939Section7(t *testing.T) {
	const message = "Subject: hello\r\nFrom: bob\r\n\r\none\r\ntwo\r\nthree"
	const header = "Subject: hello\r\nFrom: bob\r\n\r\n"
	for _, c := range []struct {
		name, in string
		lines    int
		out      string
	}{
		{"0 lines are the header and the blank line", message, 0, header},
		{"less than 0 is 0", message, -1, header},
		{"1 line", message, 1, header + "one\r\n"},
		{"2 lines", message, 2, header + "one\r\ntwo\r\n"},
		{"as many lines as there are", message, 3, message},
		{"more lines than there are", message, 1 << 30, message},
		{"bare LF", "Subject: hello\n\none\ntwo\n", 1, "Subject: hello\n\none\n"},
		{"no body", "Subject: hello\r\n", 5, "Subject: hello\r\n"},
		{"no header", "\r\none\r\ntwo\r\n", 1, "\r\none\r\n"},
		{"empty", "", 1, ""},
		{"empty lines of the body count", "A: b\r\n\r\n\r\n\r\none\r\n", 2, "A: b\r\n\r\n\r\n\r\n"},
		{"a line with a CR alone is not blank", "A: b\r\n\r\r\nC: d\r\n\r\none\r\n", 0, "A: b\r\n\r\r\nC: d\r\n\r\n"},
		{"a line with a space is not blank", "A: b\r\n \r\nC: d\r\n\r\none\r\n", 0, "A: b\r\n \r\nC: d\r\n\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.out, naiveTop(c.in, c.lines), "the reference")
			for _, source := range []io.Reader{
				strings.NewReader(c.in),
				iotest.OneByteReader(strings.NewReader(c.in)),
				iotest.HalfReader(strings.NewReader(c.in)),
				iotest.DataErrReader(strings.NewReader(c.in)),
			} {
				out, err := io.ReadAll(mailbox.NewTopReader(source, c.lines))
				require.NoError(t, err)
				require.Equal(t, c.out, string(out))
			}
			require.NoError(t, iotest.TestReader(mailbox.NewTopReader(strings.NewReader(c.in), c.lines), []byte(c.out)))
		})
	}
}

func TestTopOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := mail().Draw(t, "message")
		lines := rapid.IntRange(-1, 12).Draw(t, "lines")
		require.Equal(t, naiveTop(in, lines), readAll(t, mailbox.NewTopReader(&drawnReader{t: t, rest: in}, lines)))
	})
}

// The server cuts what a store sends and makes it canonical; in which order
// must not matter.
func TestTopAndCanonicalFormCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := mail().Draw(t, "message")
		lines := rapid.IntRange(0, 12).Draw(t, "lines")
		topOfCanonical := readAll(t, mailbox.NewTopReader(mailbox.NewCanonicalReader(strings.NewReader(in)), lines))
		canonicalOfTop := readAll(t, mailbox.NewCanonicalReader(mailbox.NewTopReader(strings.NewReader(in), lines)))
		require.Equal(t, topOfCanonical, canonicalOfTop)
	})
}

func TestTopReadsNoFurther(t *testing.T) {
	cause := errors.New("read too far")
	source := io.MultiReader(strings.NewReader("A: b\r\n\r\none\r\n"), iotest.ErrReader(cause))
	out, err := io.ReadAll(mailbox.NewTopReader(source, 1))
	require.NoError(t, err)
	require.Equal(t, "A: b\r\n\r\none\r\n", string(out))

	_, err = io.ReadAll(mailbox.NewTopReader(io.MultiReader(strings.NewReader("A: b\r\n"), iotest.ErrReader(cause)), 1))
	require.ErrorIs(t, err, cause)
}

// What the readers cost over the copy that has to be made anyway.
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

func FuzzCanonicalForm(f *testing.F) {
	f.Add([]byte("a\r\nb\n\rc\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, naiveCanonical(string(in)), string(out))
	})
}

package mailbox_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/popcask/popcask/mailbox"
)

// naiveTop is the reference: what TOP sends, line by line.
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

// The server cuts a message and makes it canonical. The order does not matter.
func TestTopAndCanonicalFormCommute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := mail().Draw(t, "message")
		lines := rapid.IntRange(0, 12).Draw(t, "lines")
		topOfCanonical := readAll(t, mailbox.NewTopReader(mailbox.NewCanonicalReader(strings.NewReader(in)), lines))
		canonicalOfTop := readAll(t, mailbox.NewCanonicalReader(mailbox.NewTopReader(strings.NewReader(in), lines)))
		require.Equal(t, topOfCanonical, canonicalOfTop)
	})
}

// What the source says after the last line that is wanted does not matter, even
// if it comes with that line.
func TestTopIgnoresAnErrorAfterItsEnd(t *testing.T) {
	broken := iotest.DataErrReader(io.MultiReader(strings.NewReader("A: b\r\n\r\nbody"), iotest.ErrReader(errors.New("disk broke"))))
	top, err := io.ReadAll(mailbox.NewTopReader(broken, 0))
	require.NoError(t, err)
	require.Equal(t, "A: b\r\n\r\n", string(top))
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

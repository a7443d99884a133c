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

// naiveCanonical is the reference: the canonical form without regard to memory.
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

func FuzzCanonicalForm(f *testing.F) {
	f.Add([]byte("a\r\nb\n\rc\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, err := io.ReadAll(mailbox.NewCanonicalReader(bytes.NewReader(in)))
		require.NoError(t, err)
		require.Equal(t, naiveCanonical(string(in)), string(out))
	})
}

package mailbox_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// fakeBox is a Mailbox that lists and opens what its fields say.
type fakeBox struct {
	mailbox.Mailbox
	listed  []mailbox.Message
	listErr error // comes after listed
	body    io.ReadCloser
	openErr error
}

func (b *fakeBox) Messages(context.Context) iter.Seq2[mailbox.Message, error] {
	return func(yield func(mailbox.Message, error) bool) {
		for _, message := range b.listed {
			if !yield(message, nil) {
				return
			}
		}
		if b.listErr != nil {
			yield(mailbox.Message{}, b.listErr)
		}
	}
}

func (b *fakeBox) Open(context.Context, string, mailbox.OpenOptions) (io.ReadCloser, error) {
	return b.body, b.openErr
}

// fakeBody remembers whether it was closed.
type fakeBody struct {
	io.Reader
	closeErr error
	closed   bool
}

func (b *fakeBody) Close() error {
	b.closed = true
	return b.closeErr
}

// sureBody says that it is canonical, or that it is not.
type sureBody struct {
	fakeBody
	sure bool
}

func (b *sureBody) IsCanonical() bool { return b.sure }

func TestListIsWholeOrAnError(t *testing.T) {
	messages := []mailbox.Message{{ID: "m2", Size: 7}, {ID: "m1", UIDL: "foreign", Size: -1}}
	listed, err := mailbox.List(t.Context(), &fakeBox{listed: messages})
	require.NoError(t, err)
	require.Equal(t, messages, listed, "in the order of the store")

	listed, err = mailbox.List(t.Context(), new(fakeBox))
	require.NoError(t, err)
	require.Empty(t, listed)

	listed, err = mailbox.List(t.Context(), &fakeBox{listed: messages, listErr: mailbox.ErrTemporary})
	require.ErrorIs(t, err, mailbox.ErrTemporary)
	require.Nil(t, listed, "never silently short")
}

func TestReadMessageReturnsTheCanonicalForm(t *testing.T) {
	for _, c := range []struct {
		name, in, out string
		body          func(io.Reader) io.ReadCloser
	}{
		{"any line ends", "a\nb", "a\r\nb\r\n", func(r io.Reader) io.ReadCloser { return &fakeBody{Reader: r} }},
		{"canonical already", "a\r\nb\r\n", "a\r\nb\r\n", func(r io.Reader) io.ReadCloser { return &fakeBody{Reader: r} }},
		{"not sure of it", "a\nb", "a\r\nb\r\n", func(r io.Reader) io.ReadCloser { return &sureBody{fakeBody{Reader: r}, false} }},
		{"sure of it", "as the store says", "as the store says", func(r io.Reader) io.ReadCloser { return &sureBody{fakeBody{Reader: r}, true} }},
		{"empty", "", "", func(r io.Reader) io.ReadCloser { return &fakeBody{Reader: r} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			octets, err := mailbox.ReadMessage(t.Context(), &fakeBox{body: c.body(strings.NewReader(c.in))}, "m1")
			require.NoError(t, err)
			require.Equal(t, c.out, string(octets))
		})
	}
}

func TestReadMessageReturnsEveryErrorAndCloses(t *testing.T) {
	_, err := mailbox.ReadMessage(t.Context(), &fakeBox{openErr: mailbox.ErrNotFound}, "m1")
	require.ErrorIs(t, err, mailbox.ErrNotFound)

	reading, closing := errors.New("disk broke"), errors.New("torn")
	body := &fakeBody{Reader: io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(reading)), closeErr: closing}
	octets, err := mailbox.ReadMessage(t.Context(), &fakeBox{body: body}, "m1")
	require.ErrorIs(t, err, reading)
	require.ErrorIs(t, err, closing)
	require.Equal(t, "a\r\nb", string(octets), "what was read, with no line end that makes it look whole")
	require.True(t, body.closed)

	body = &fakeBody{Reader: strings.NewReader("a\r\n")}
	_, err = mailbox.ReadMessage(t.Context(), &fakeBox{body: body}, "m1")
	require.NoError(t, err)
	require.True(t, body.closed)

	_, err = mailbox.ReadMessage(t.Context(), &fakeBox{body: &fakeBody{Reader: strings.NewReader("a\r\n"), closeErr: closing}}, "m1")
	require.ErrorIs(t, err, closing)
}

package mailboxtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/popcask/popcask/mailbox"
)

// form is a kind of message that a store may get wrong.
type form struct{ name, octets string }

// ordinaryForms are messages that every store takes.
func ordinaryForms() []form {
	return []form{
		{"an ordinary message", mail("hello")},
		{"empty lines at the end", mail("hello", "Hello\r\n\r\n\r\n")},
		{"lines of dots", mail("dots", ".\r\n..\r\n.hello\r\n...\r\nx.\r\n.\r\n")},
		{"a megabyte", sized("large", 1<<20)},
	}
}

// peculiarForms are messages that not every store can hold. Each is peculiar in
// one way only, if possible.
func peculiarForms() []form {
	everyOctet := make([]byte, 256)
	for i := range everyOctet {
		everyOctet[i] = byte(i)
	}
	header := strings.TrimSuffix(mail("hello", "x"), "\r\nx")
	bareLF := func(message string) string { return strings.ReplaceAll(message, "\r\n", "\n") }
	return []form{
		{"no octets at all", ""},
		{"one octet", "x"},
		{"an empty line alone", "\r\n"},
		{"a bare LF alone", "\n"},
		{"a bare CR alone", "\r"},
		{"bare LF line ends", bareLF(mail("hello"))},
		{"mixed line ends", header + "\nHello,\nworld.\r\n"},
		{"bare CRs inside lines", mail("hello", "Hel\rlo\r\rworld\r\r\n")},
		{"LF CR in the wrong order", bareLF(header) + "\n\r\n\rHello\n\r"},
		{"no final line end", mail("hello", "Hello")},
		{"a final CR", mail("hello", "Hello\r")},
		{"a final CR after a CRLF", mail("hello", "Hello\r\n\r")},
		{"a header alone", header},
		{"a header and no body", header + "\r\n"},
		{"a body without a header", "\r\nHello\r\n"},
		{"a final dot", mail("dots", "Hello\r\n.")},
		{"bare LF around a dot", bareLF(mail("dots", "Hello\n.\n.\n"))},
		{"NUL octets", mail("NUL", "\x00\x00\r\n\x00")},
		{"NUL octets in the header", "Subject: \x00\r\n" + mail("NUL")},
		{"every octet there is", mail("octets", string(everyOctet)+"\r\n"+string(everyOctet))},
		{"octets that are not UTF-8", "Subject: \xff\xfe\r\n" + header + "\r\n\xc3\x28\xa0\r\n"},
		{"a UTF-8 byte order mark", "\xef\xbb\xbf" + mail("hello")},
		{"an mbox From line", "From bob Thu Jan  1 00:00:00 1970\n" + bareLF(mail("hello", "From here\n>From there\n"))},
		{"a very long line", mail("long", strings.Repeat("long ", 60_000)+"\r\n")},
		{"a very long last line", mail("long", strings.Repeat("long ", 60_000))},
		{"a very long header", strings.Repeat("X-Header: hello\r\n", 10_000) + mail("hello")},
		{"many bare LFs", bareLF(header) + strings.Repeat("\n", 70_000)},
		{"a megabyte with bare LF", bareLF(sized("large", 1<<20))},
	}
}

func octetsOfEveryKind(s *suite) {
	s.checkForms(ordinaryForms(), peculiarForms())
}

// octetsAtChunkBorders delivers what a store that cuts messages into chunks may
// get wrong: sizes around a power of two, and line ends that the border cuts.
func octetsAtChunkBorders(s *suite) {
	borders := []int{4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10}
	if testing.Short() {
		borders = []int{4 << 10, 64 << 10}
	}
	var ordinary, peculiar []form
	for _, border := range borders {
		for _, size := range []int{border - 1, border, border + 1} {
			ordinary = append(ordinary, form{fmt.Sprintf("%d octets", size), sized("border", size)})
		}
		before := strings.TrimSuffix(sized("border", border+1), "\r\n")
		ordinary = append(ordinary, form{fmt.Sprintf("a CRLF over the border of %d", border), before + "\r\nmore\r\n"})
		peculiar = append(peculiar,
			form{fmt.Sprintf("a CR alone before the border of %d", border), before + "\rmore\r\n"},
			form{fmt.Sprintf("a bare LF at the border of %d", border), before + "x\nmore\n"},
			form{fmt.Sprintf("a final CR at the border of %d", border), before + "\r"},
			form{fmt.Sprintf("no line end at the border of %d", border), before + "x"},
			form{fmt.Sprintf("a line of %d octets", border), mail("line", strings.Repeat("x", border)+"\r\n")},
		)
	}
	s.checkForms(ordinary, peculiar)
}

// deliverForms delivers messages and returns those that are there then. The
// store may refuse the peculiar ones as unsupported.
func (s *suite) deliverForms(user string, ordinary, peculiar []form) []form {
	s.Helper()
	taken := make([]form, 0, len(ordinary)+len(peculiar))
	for i, form := range slices.Concat(ordinary, peculiar) {
		what := fmt.Sprintf("the delivery of a message with %s", form.name)
		err := s.tryDeliver(s.Context(), user, arriving(i, form.octets))
		if i >= len(ordinary) && errors.Is(err, errors.ErrUnsupported) {
			s.unsupported(what, err)
			continue
		}
		s.taken(ruleWhole, what, err)
		taken = append(taken, form)
	}
	return taken
}

// arriving returns a reader of octets, which arrive in one of several ways.
func arriving(way int, octets string) io.Reader {
	body := strings.NewReader(octets)
	switch {
	case way%4 == 1:
		return iotest.DataErrReader(body)
	case way%4 == 2:
		return iotest.HalfReader(body)
	case way%4 == 3 && len(octets) < 1<<10:
		return iotest.OneByteReader(body)
	}
	return body
}

func (s *suite) checkForms(ordinary, peculiar []form) {
	user := s.user("bob")
	forms := s.deliverForms(user, ordinary, peculiar)
	box := s.open(user)
	defer box.close()
	listed := box.list()
	if len(listed) != len(forms) {
		s.breaks(ruleWhole, "%d messages were delivered and %d are listed", len(forms), len(listed))
	}
	for i, m := range listed {
		want := canonical([]byte(forms[i].octets))
		got := box.read(m.ID)
		if got != want {
			s.breaks(ruleOctets, "the message with %s comes back with %s", forms[i].name, difference(got, want))
		}
		s.reading(box, m.ID, func(body io.Reader) {
			sure, ok := body.(mailbox.CanonicalBody)
			if !ok || !sure.IsCanonical() {
				return
			}
			if raw, err := io.ReadAll(body); err == nil && string(raw) != want {
				s.breaks(ruleSure, "the body of the message with %s says that it is canonical, and is not: %s", forms[i].name, difference(string(raw), want))
			}
		})
		if m.Size >= 0 && m.Size != int64(len(want)) {
			s.breaks(ruleSize, "the message with %s is listed with %d octets and has %d", forms[i].name, m.Size, len(want))
		}
	}
}

// readerKeepsTheRulesOfReaders reads a message in every way that a server may.
func readerKeepsTheRulesOfReaders(s *suite) {
	user := s.user("bob")
	s.deliverForms(user, []form{{"a long body", large("large")}}, []form{{"mixed line ends and no last one", mail("hello", "Hello,\nworld")}})
	box := s.open(user)
	defer box.close()
	for _, m := range box.list() {
		whole, err := read(s.Context(), box, m.ID, mailbox.OpenOptions{})
		if err != nil {
			s.breaks(ruleOctets, "a listed message cannot be read: %v", err)
		}
		s.reading(box, m.ID, func(body io.Reader) {
			if err := iotest.TestReader(body, whole); err != nil {
				s.breaks(ruleReader, "the reader of a message breaks the rules: %v", err)
			}
		})
		s.reading(box, m.ID, func(body io.Reader) {
			writer, ok := body.(io.WriterTo)
			if !ok {
				return
			}
			var written bytes.Buffer
			n, err := writer.WriteTo(&written)
			if err != nil || !bytes.Equal(written.Bytes(), whole) {
				s.breaks(ruleReader, "WriteTo of a message, with error %v, writes other octets than Read gives: %s", err, difference(written.String(), string(whole)))
			}
			if n != int64(written.Len()) {
				s.breaks(ruleReader, "WriteTo of a message says that it wrote %d octets, and wrote %d", n, written.Len())
			}
		})
		s.reading(box, m.ID, func(body io.Reader) { // and left early
			_, _ = io.ReadFull(body, make([]byte, 10))
		})
	}
	box.list()
}

func (s *suite) reading(box *session, id string, use func(io.Reader)) {
	s.Helper()
	body, err := box.Open(s.Context(), id, mailbox.OpenOptions{})
	if err != nil {
		s.breaks(ruleOctets, "the message %q can be opened once, but not again: %v", id, err)
	}
	defer func() {
		if err := body.Close(); err != nil {
			s.breaks(ruleReader, "closing the reader of a message failed: %v", err)
		}
	}()
	use(body)
}

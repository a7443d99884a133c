package mailboxtest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/popcask/popcask/mailbox"
)

// form is a kind of message that a store may get wrong.
type form struct{ name, octets string }

func forms() []form {
	everyOctet := make([]byte, 256)
	for i := range everyOctet {
		everyOctet[i] = byte(i)
	}
	return []form{
		{"an ordinary message", "Subject: hello\r\n\r\nHello,\r\nworld.\r\n"},
		{"no octets at all", ""},
		{"one octet", "x"},
		{"an empty line alone", "\r\n"},
		{"a bare LF alone", "\n"},
		{"a bare CR alone", "\r"},
		{"bare LF line ends", "Subject: hello\n\nHello,\nworld.\n"},
		{"mixed line ends", "Subject: hello\r\n\nHello,\nworld.\r\n"},
		{"bare CRs inside lines", "Subject: hello\r\n\r\nHel\rlo\r\rworld\r\r\n"},
		{"LF CR in the wrong order", "Subject: hello\n\r\n\rHello\n\r"},
		{"no final line end", "Subject: hello\r\n\r\nHello"},
		{"a final CR", "Subject: hello\r\n\r\nHello\r"},
		{"a final CR after a CRLF", "Subject: hello\r\n\r\nHello\r\n\r"},
		{"empty lines at the end", "Subject: hello\r\n\r\nHello\r\n\r\n\r\n"},
		{"a header without a body", "Subject: hello\r\n"},
		{"a body without a header", "\r\nHello\r\n"},
		{"lines of dots", "Subject: dots\r\n\r\n.\r\n..\r\n.hello\r\n...\r\nx.\r\n.\r\n"},
		{"a final dot", "Subject: dots\r\n\r\nHello\r\n."},
		{"bare LF around a dot", "Subject: dots\n\nHello\n.\n.\n"},
		{"NUL octets", "Subject: \x00\r\n\r\n\x00\x00\r\n\x00"},
		{"every octet there is", "Subject: octets\r\n\r\n" + string(everyOctet) + "\r\n" + string(everyOctet)},
		{"octets that are not UTF-8", "Subject: \xff\xfe\r\n\r\n\xc3\x28\xa0\r\n"},
		{"a UTF-8 byte order mark", "\xef\xbb\xbfSubject: hello\r\n\r\nHello\r\n"},
		{"an mbox From line", "From bob Thu Jan  1 00:00:00 1970\nSubject: hello\n\nFrom here\n>From there\n"},
		{"a very long line", "Subject: long\r\n\r\n" + strings.Repeat("long ", 60_000) + "\r\n"},
		{"a very long last line", "Subject: long\r\n\r\n" + strings.Repeat("long ", 60_000)},
		{"a very long header", "Subject: hello\r\n" + strings.Repeat("X-Header: hello\r\n", 10_000) + "\r\nHello\r\n"},
		{"many bare LFs", "Subject: hello\n\n" + strings.Repeat("\n", 70_000)},
		{"a megabyte", "Subject: large\r\n\r\n" + strings.Repeat("A line as long as lines of mail are wont to be, or so.\r\n", 20_000)},
		{"a megabyte with bare LF", "Subject: large\n\n" + strings.Repeat("A line as long as lines of mail are wont to be, or so!\n", 20_000)},
	}
}

func octetsOfEveryKind(s *suite) {
	s.checkForms(forms())
}

// octetsAtChunkBorders delivers what a store that cuts messages into chunks may
// get wrong: sizes around a power of two, and line ends that the border cuts.
func octetsAtChunkBorders(s *suite) {
	borders := []int{4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10}
	if testing.Short() {
		borders = []int{4 << 10, 64 << 10}
	}
	var forms []form
	for _, border := range borders {
		for _, size := range []int{border - 1, border, border + 1} {
			forms = append(forms, form{fmt.Sprintf("%d octets", size), "\r\n" + strings.Repeat("x", size-4) + "\r\n"})
		}
		before := "\r\n" + strings.Repeat("x", border-3)
		forms = append(forms,
			form{fmt.Sprintf("a CRLF over the border of %d", border), before + "\r\nmore\r\n"},
			form{fmt.Sprintf("a CR alone before the border of %d", border), before + "\rmore\r\n"},
			form{fmt.Sprintf("a bare LF at the border of %d", border), before + "x\nmore\n"},
			form{fmt.Sprintf("a final CR at the border of %d", border), before + "\r"},
			form{fmt.Sprintf("no line end at the border of %d", border), before + "x"},
		)
	}
	s.checkForms(forms)
}

func (s *suite) checkForms(forms []form) {
	user := s.user("bob")
	for i, form := range forms {
		var body io.Reader = strings.NewReader(form.octets)
		switch i % 4 { // however the octets arrive
		case 1:
			body = iotest.DataErrReader(body)
		case 2:
			body = iotest.HalfReader(body)
		case 3:
			if len(form.octets) < 1<<10 {
				body = iotest.OneByteReader(body)
			}
		}
		if err := s.tryDeliver(s.Context(), user, body); err != nil {
			s.breaks(ruleWhole, "the delivery of a message with %s failed: %v", form.name, err)
		}
	}
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
	s.deliver(user, "Subject: hello\n\nHello,\r\nworld")
	s.deliver(user, "Subject: large\r\n\r\n"+strings.Repeat("a line of text\r\n", 20_000))
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

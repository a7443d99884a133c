package pop3test

import (
	"io"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // texts in what was there before UTF-8
	parser "github.com/emersion/go-message/mail"
)

// Message is a message in a mailbox of a [MailServer].
type Message struct {
	// User is the name of the mailbox, and ID that of the message there.
	User, ID string

	// EnvelopeFrom and EnvelopeTo are the addresses of MAIL and RCPT. They are
	// empty if the message came by Load.
	EnvelopeFrom, EnvelopeTo string

	// Octets are the message as POP3 sends it: with CRLF, without byte-stuffing.
	Octets []byte

	// Header has all fields, as they were sent: Header.Get("X-Priority").
	Header mail.Header

	// Subject, From, To, Cc and Date are fields of the header, decoded.
	Subject      string
	From, To, Cc []*mail.Address
	Date         time.Time

	// Text and HTML are the first parts of type text/plain and text/html that are
	// no attachments, decoded to UTF-8.
	Text, HTML string

	// Attachments are the parts that are none of the texts.
	Attachments []Attachment

	// Err says what of the message could not be parsed. The fields above have as
	// much as could be.
	Err error
}

// Attachment is a file in a message.
type Attachment struct {
	Name string // of the file; may be empty
	Type string // "application/pdf"
	Data []byte // decoded
}

// isSame reports whether two messages are one message of a mailbox.
func (m *Message) isSame(other *Message) bool { return m.User == other.User && m.ID == other.ID }

// parse fills in what is in the octets, as far as it comes without an error.
func (m *Message) parse(octets io.Reader) error {
	reader, err := parser.CreateReader(octets)
	if reader == nil {
		return err
	}
	defer reader.Close()
	if err := m.parseHeader(&reader.Header); err != nil {
		return err
	}
	for {
		part, err := reader.NextPart()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !message.IsUnknownCharset(err):
			return err
		}
		if err := m.parsePart(part); err != nil {
			return err
		}
	}
}

func (m *Message) parseHeader(h *parser.Header) (err error) {
	m.Header = make(mail.Header)
	for fields := h.Fields(); fields.Next(); {
		m.Header[fields.Key()] = append(m.Header[fields.Key()], fields.Value())
	}
	if m.Subject, err = h.Subject(); err != nil {
		return err
	}
	if m.Header.Get("Date") != "" {
		if m.Date, err = h.Date(); err != nil {
			return err
		}
	}
	for name, list := range map[string]*[]*mail.Address{"From": &m.From, "To": &m.To, "Cc": &m.Cc} {
		addresses, err := h.AddressList(name)
		if err != nil {
			return err
		}
		for _, address := range addresses {
			*list = append(*list, (*mail.Address)(address))
		}
	}
	return nil
}

func (m *Message) parsePart(part *parser.Part) error {
	data, err := io.ReadAll(part.Body)
	if err != nil {
		return err
	}
	header, isInline := part.Header.(*parser.InlineHeader)
	if isInline {
		kind, _, _ := header.ContentType()
		switch {
		case kind == "text/plain" && m.Text == "":
			m.Text = lines(data)
			return nil
		case kind == "text/html" && m.HTML == "":
			m.HTML = lines(data)
			return nil
		}
		m.Attachments = append(m.Attachments, Attachment{Type: kind, Data: data})
		return nil
	}
	attachment := part.Header.(*parser.AttachmentHeader)
	kind, _, _ := attachment.ContentType()
	name, _ := attachment.Filename()
	m.Attachments = append(m.Attachments, Attachment{Name: name, Type: kind, Data: data})
	return nil
}

// lines is a text with LF for CRLF, as programs have it.
func lines(text []byte) string { return strings.ReplaceAll(string(text), "\r\n", "\n") }

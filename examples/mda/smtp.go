package main

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/popcask/popcask/mailbox"
)

const (
	maxRecipients  = 100             // the minimum of RFC 5321 section 4.5.3.1.8
	maxConnections = 1000            // for each protocol; further ones wait
	maxLine        = 64 << 10        // octets; some mail has more than the 998 that are allowed
	fiveMinutes    = 5 * time.Minute // to wait for a sender (RFC 5321 section 4.5.3.2.7)
)

// agent takes mail and delivers it.
type agent struct {
	directory mailbox.Directory
	store     mailbox.Appender
	trace     *trace // nil: none
	maxSize   int64  // octets; 0 means no limit
	patience  time.Duration
	tlsConfig *tls.Config
	log       *slog.Logger
}

// newServer makes a server for LMTP or SMTP.
func (a *agent) newServer(protocol string) *server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{agent: a, protocol: protocol, smtp: c, conn: c.Conn()}, nil
	}))
	s.LMTP = protocol == "LMTP"
	s.Domain = hostname()
	s.TLSConfig = a.tlsConfig
	s.EnableSMTPUTF8 = true
	if !s.LMTP && a.maxSize > 0 && a.maxSize < math.MaxInt64 {
		// EHLO announces this size. go-smtp's DATA refuses a message of exactly
		// this size, so it is one more; smtp_body.go enforces the limit. LMTP
		// needs a reply for each recipient, which go-smtp does not give.
		s.MaxMessageBytes = a.maxSize + 1
	}
	s.MaxRecipients = maxRecipients
	s.MaxLineLength = maxLine
	s.ReadTimeout = a.patience
	s.WriteTimeout = a.patience
	s.ErrorLog = smtpLog{a.log}
	return &server{smtp: s}
}

func hostname() string {
	if name, err := os.Hostname(); err == nil && isDomain(name) {
		return name
	}
	return "localhost"
}

// session is one connection, or what STARTTLS makes of it. If a message comes
// by BDAT, go-smtp calls Data on a goroutine of its own and goes on taking
// commands. So Data works on a copy of the envelope, and does not ask go-smtp
// for anything that those commands change.
type session struct {
	agent    *agent
	protocol string
	smtp     *smtp.Conn
	conn     net.Conn

	message sync.Mutex // held by Data

	mu   sync.Mutex
	mail envelope
}

// envelope is what a sender sends before the message.
type envelope struct {
	begun bool   // by MAIL
	hello string // what the sender calls itself
	from  string
	utf8  bool // SMTPUTF8 (RFC 6531)
	to    []recipient
}

type recipient struct {
	address string // as the sender wrote it
	user    string
}

var _ smtp.LMTPSession = (*session)(nil)

// Mail handles MAIL FROM.
func (s *session) Mail(from string, options *smtp.MailOptions) error {
	if err := checkAddress(from, options.UTF8); err != nil {
		return err
	}
	if s.agent.maxSize > 0 && options.Size > s.agent.maxSize {
		return smtp.ErrDataTooLarge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mail.begun {
		// go-smtp would keep the recipients of the first one, and reply 250 to
		// them.
		return errNestedMAIL
	}
	s.mail = envelope{begun: true, hello: s.smtp.Hostname(), from: from, utf8: options.UTF8}
	return nil
}

// Rcpt handles RCPT TO.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := checkAddress(to, s.mail.utf8); err != nil {
		return err
	}
	user, err := s.agent.directory.Lookup(context.Background(), to)
	if err != nil {
		s.agent.log.Info("mail: recipient refused", "protocol", s.protocol, "remote", s.conn.RemoteAddr(),
			"from", s.mail.from, "to", to, "error", err)
		return toReply(err)
	}
	s.mail.to = append(s.mail.to, recipient{address: to, user: user})
	return nil
}

// Data receives a message over SMTP, which has one reply for all recipients. It
// is positive only if all of them have the message.
func (s *session) Data(r io.Reader) error {
	mail, err := s.envelope()
	if err != nil {
		return err
	}
	return oneReply(s.deliver(mail, r))
}

// LMTPData receives a message over LMTP, which has a reply for each recipient
// (RFC 2033 section 4.2).
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	mail, err := s.envelope()
	if err != nil {
		return err
	}
	for i, err := range s.deliver(mail, r) {
		status.SetStatus(mail.to[i].address, toReply(err))
	}
	return nil
}

// Reset discards the transaction. If chunks of a message were under way, it
// waits for their Data: go-smtp would take its reply for that of the next
// message.
func (s *session) Reset() {
	s.message.Lock()
	defer s.message.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = envelope{}
}

// Logout is the end of the connection.
func (s *session) Logout() error { return nil }

// envelope returns the envelope to deliver to. It is an error if it has no
// recipients: go-smtp would take the missing replies for a delivery.
func (s *session) envelope() (envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mail.to) == 0 {
		return envelope{}, smtp.ErrDataReset // RSET came before Data began
	}
	return s.mail, nil
}

// deliver gives a message to the store, once for each user, and returns the
// result for each recipient. It always reads the message to its end, as go-smtp
// requires.
func (s *session) deliver(mail envelope, r io.Reader) []error {
	s.message.Lock()
	defer s.message.Unlock()
	defer wireOf(s.conn).work()()
	body := newBody(r, s.conn, s.agent)
	defer body.drain()

	id := newID()
	received := time.Now()
	delivery := mailbox.Delivery{Received: received}
	place := make(map[string]int) // index of a user in delivery.Recipients
	for _, to := range mail.to {
		if _, twice := place[to.user]; twice {
			continue
		}
		place[to.user] = len(delivery.Recipients)
		delivery.Recipients = append(delivery.Recipients, mailbox.Recipient{
			User:   to.user,
			Header: s.agent.trace.header(s.hop(mail, id, received), mail, to),
		})
	}
	results, err := s.agent.store.Append(context.Background(), delivery, body)

	errs := make([]error, len(mail.to))
	for i, to := range mail.to {
		var result mailbox.Result
		if errs[i] = err; err == nil {
			result = results[place[to.user]]
			errs[i] = result.Err
		}
		s.logDelivery(id, mail, to, result.Message, errs[i])
	}
	return errs
}

func (s *session) logDelivery(id string, mail envelope, to recipient, message mailbox.Message, err error) {
	log := s.agent.log.With("protocol", s.protocol, "remote", s.conn.RemoteAddr(),
		"id", id, "from", mail.from, "to", to.address, "user", to.user)
	if err != nil {
		log.Warn("mail: not delivered", "error", err)
		return
	}
	log.Info("mail: delivered", "message", message.ID, "size", message.Size)
}

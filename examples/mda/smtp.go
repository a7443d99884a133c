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
	maxRecipients  = 100             // RFC 5321 section 4.5.3.1.8 wants at least these
	maxConnections = 1000            // of each protocol; further ones wait
	maxLine        = 64 << 10        // octets: there is mail that breaks the rule of 998
	fiveMinutes    = 5 * time.Minute // of patience with a sender (RFC 5321 section 4.5.3.2.7)
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
		// What EHLO announces. go-smtp's DATA refuses a message of just that
		// size, so it is one more; smtp_body.go keeps the limit. LMTP needs an answer
		// for each recipient, which go-smtp does not give.
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

// session is one connection, or what STARTTLS makes of it. go-smtp calls Data on
// another goroutine than the rest where the message comes by BDAT, and takes
// commands meanwhile: so Data works on a copy of the envelope, and does not ask
// go-smtp for what those commands change.
type session struct {
	agent    *agent
	protocol string
	smtp     *smtp.Conn
	conn     net.Conn

	message sync.Mutex // held by Data

	mu   sync.Mutex
	mail envelope
}

// envelope is what a sender says before the message.
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

// Mail answers MAIL FROM.
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
		// go-smtp would keep the recipients of the first one, and say 250 for
		// them.
		return errNestedMAIL
	}
	s.mail = envelope{begun: true, hello: s.smtp.Hostname(), from: from, utf8: options.UTF8}
	return nil
}

// Rcpt answers RCPT TO.
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

// Data takes a message that came over SMTP, which has one answer for all
// recipients: yes only where all of them have it.
func (s *session) Data(r io.Reader) error {
	mail, err := s.envelope()
	if err != nil {
		return err
	}
	return oneReply(s.deliver(mail, r))
}

// LMTPData takes a message that came over LMTP, which has an answer for each
// recipient (RFC 2033 section 4.2).
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

// Reset forgets the message that was begun. A Data whose chunks were broken off
// ends first: go-smtp would take its answer for that of the next message.
func (s *session) Reset() {
	s.message.Lock()
	defer s.message.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = envelope{}
}

// Logout is the end of the connection.
func (s *session) Logout() error { return nil }

// envelope is what there is to deliver to. Nobody is an error: go-smtp takes
// silence for a delivery.
func (s *session) envelope() (envelope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mail.to) == 0 {
		return envelope{}, smtp.ErrDataReset // before Data had begun
	}
	return s.mail, nil
}

// deliver hands a message to the store, once for each user, and returns what
// became of it for each recipient. It reads the message to its end in any case:
// go-smtp wants that.
func (s *session) deliver(mail envelope, r io.Reader) []error {
	s.message.Lock()
	defer s.message.Unlock()
	defer wireOf(s.conn).work()()
	body := newBody(r, s.conn, s.agent)
	defer body.drain()

	id := newID()
	received := time.Now()
	delivery := mailbox.Delivery{Received: received}
	place := make(map[string]int) // of a user among the delivery's recipients
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

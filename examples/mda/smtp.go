package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/popcask/popcask/mailbox"
)

const (
	maxRecipients  = 100             // RFC 5321 section 4.5.3.1.8 wants at least these
	maxConnections = 1000            // of each protocol; further ones wait
	maxLine        = 64 << 10        // octets: there is mail that breaks the rule of 998
	patience       = 5 * time.Minute // RFC 5321 section 4.5.3.2.7
)

// agent takes mail and delivers it.
type agent struct {
	directory mailbox.Directory
	store     mailbox.Appender
	trace     *trace // nil: none
	maxSize   int64  // octets; 0 means no limit
	tlsConfig *tls.Config
	log       *slog.Logger
}

// newServer makes a server for LMTP or SMTP.
func (a *agent) newServer(protocol string) *server {
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{agent: a, protocol: protocol, conn: c}, nil
	}))
	s.LMTP = protocol == "LMTP"
	s.Domain = hostname()
	s.TLSConfig = a.tlsConfig
	s.EnableSMTPUTF8 = true
	s.MaxMessageBytes = a.maxSize
	s.MaxRecipients = maxRecipients
	s.MaxLineLength = maxLine
	s.ReadTimeout = patience
	s.WriteTimeout = patience
	s.ErrorLog = slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)
	return &server{smtp: s}
}

func hostname() string {
	if name, err := os.Hostname(); err == nil && isDomain(name) {
		return name
	}
	return "localhost"
}

// session is one connection. go-smtp calls Data on another goroutine than the
// rest where the message comes by BDAT, and may call Reset before Data is over:
// so Data works on a copy of the envelope.
type session struct {
	agent    *agent
	protocol string
	conn     *smtp.Conn

	mu   sync.Mutex
	mail envelope
}

// envelope is what a sender says before the message.
type envelope struct {
	from string
	utf8 bool // SMTPUTF8 (RFC 6531)
	to   []recipient
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
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = envelope{from: from, utf8: options.UTF8}
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
		s.agent.log.Info("mail: recipient refused", "protocol", s.protocol, "remote", s.conn.Conn().RemoteAddr(),
			"from", s.mail.from, "to", to, "error", err)
		return toReply(err)
	}
	s.mail.to = append(s.mail.to, recipient{address: to, user: user})
	return nil
}

// Data takes a message that came over SMTP, which has one answer for all
// recipients: yes only where all of them have it.
func (s *session) Data(r io.Reader) error {
	mail := s.envelope()
	return oneReply(s.deliver(mail, r))
}

// LMTPData takes a message that came over LMTP, which has an answer for each
// recipient (RFC 2033 section 4.2).
func (s *session) LMTPData(r io.Reader, status smtp.StatusCollector) error {
	mail := s.envelope()
	for i, err := range s.deliver(mail, r) {
		status.SetStatus(mail.to[i].address, toReply(err))
	}
	return nil
}

// Reset forgets the message that was begun.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = envelope{}
}

// Logout is the end of the connection.
func (s *session) Logout() error { return nil }

func (s *session) envelope() envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mail
}

// deliver hands a message to the store, once for each user, and returns what
// became of it for each recipient. It reads the message to its end in any case:
// go-smtp wants that.
func (s *session) deliver(mail envelope, r io.Reader) []error {
	defer wireOf(s.conn).work()()
	body := newBody(r, s.conn)
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
	log := s.agent.log.With("protocol", s.protocol, "remote", s.conn.Conn().RemoteAddr(),
		"id", id, "from", mail.from, "to", to.address, "user", to.user)
	if err != nil {
		log.Warn("mail: not delivered", "error", err)
		return
	}
	log.Info("mail: delivered", "message", message.ID, "size", message.Size)
}

// toReply says in SMTP what a directory or a store says in Go. The text of an
// error stays here.
func toReply(err error) error {
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, mailbox.ErrNoSuchUser):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	case errors.Is(err, mailbox.ErrOverQuota):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "Mailbox is full"}
	case errors.Is(err, mailbox.ErrTooLarge):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Message is too large"}
	case errors.Is(err, syscall.ENOSPC):
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Disk is full, try again later"}
	case errors.Is(err, mailbox.ErrPermanent):
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 3, 0}, Message: "Cannot be delivered"}
	}
	return errTryAgain
}

var errTryAgain = &smtp.SMTPError{
	Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Temporary failure, try again later",
}

// oneReply makes one answer of those for all recipients. Where nobody got the
// message and nobody ever will, it is final. Where some did not get it and
// others did, or may later, the sender is to try again: whoever got it gets it
// twice then, but nobody loses it.
func oneReply(errs []error) error {
	var final error
	delivered := 0
	for _, err := range errs {
		var reply *smtp.SMTPError
		switch err := toReply(err); {
		case err == nil:
			delivered++
		case errors.As(err, &reply) && reply.Temporary():
			return reply
		case final == nil:
			final = err
		}
	}
	switch {
	case final == nil:
		return nil
	case delivered > 0:
		return errTryAgain
	}
	return final
}

// checkAddress refuses what has no place in a header field, and non-ASCII
// addresses from a sender that did not announce them (RFC 6531 section 3.5).
func checkAddress(address string, utf8 bool) error {
	switch {
	case len(address) > mailbox.MaxUserLength || !isText(address):
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "That is not an address"}
	case !utf8 && !isASCII(address):
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "That address needs SMTPUTF8"}
	}
	return nil
}

var errTooManyHops = &smtp.SMTPError{
	Code: 554, EnhancedCode: smtp.EnhancedCode{5, 4, 6},
	Message: fmt.Sprintf("Too many hops: more than %d Received fields", maxHops),
}

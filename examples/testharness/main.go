// The testharness program sends an invitation by mail. It is here for its tests,
// main_test.go: they show how to test a program that sends mail, against a real
// mail server in the same process.
//
//	testharness -server mail.example.org:587 -user events -password-file secret \
//		-to anna@example.org -plan plan.pdf < invitation.txt
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "testharness:", err)
		os.Exit(1)
	}
}

// run is the program without its process.
func run(ctx context.Context, args []string, text io.Reader) (err error) {
	var s sender
	var i invitation
	flags := flag.NewFlagSet("testharness", flag.ContinueOnError)
	flags.StringVar(&s.server, "server", "localhost:25", "mail server, `host:port`")
	flags.StringVar(&s.user, "user", "", "`name` to log in there; without it there is no login")
	passwordFile := flags.String("password-file", "", "`file` that has the password")
	flags.StringVar(&i.to, "to", "", "`address` that is invited")
	plan := flags.String("plan", "", "PDF `file` to attach")
	authority := flags.String("ca", "", "PEM `file` of the authority that the server's certificate is from")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *passwordFile != "" {
		password, err := os.ReadFile(*passwordFile)
		if err != nil {
			return err
		}
		s.password = strings.TrimSpace(string(password))
	}
	if *plan != "" {
		if i.plan, err = os.ReadFile(*plan); err != nil {
			return err
		}
	}
	if *authority != "" {
		pem, err := os.ReadFile(*authority)
		if err != nil {
			return err
		}
		s.roots = x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s: there is no certificate in it", *authority)
		}
	}
	octets, err := io.ReadAll(text)
	if err != nil {
		return err
	}
	i.text = string(octets)
	return s.send(ctx, i)
}

// invitation is what the program sends.
type invitation struct {
	to, text string
	plan     []byte // a PDF; nil: none
}

// sender sends through a mail server, with TLS if the server offers it.
type sender struct {
	server         string // host:port
	user, password string
	roots          *x509.CertPool // nil: the authorities of this machine
	pause          time.Duration  // between two tries; 0 means a minute
}

// tries is how often a message is sent that the server does not take at the
// moment.
const tries = 3

// send sends an invitation, and again if the server asks for that.
func (s sender) send(ctx context.Context, i invitation) error {
	message := mail.NewMsg()
	if err := cmp.Or(message.From("events@example.org"), message.To(i.to)); err != nil {
		return err
	}
	message.Subject("Führung durch die Käserei")
	message.SetBodyString(mail.TypeTextPlain, i.text)
	if i.plan != nil {
		message.AttachReadSeeker("plan.pdf", bytes.NewReader(i.plan))
	}
	client, err := s.client()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := client.DialAndSendWithContext(ctx, message)
		if err == nil || try == tries || !isTemporary(err) {
			return err
		}
		select {
		case <-time.After(cmp.Or(s.pause, time.Minute)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// isTemporary reports whether a message should be sent again: the server said so,
// or could not be reached, or the connection broke. In the last case it may come
// twice.
func isTemporary(err error) bool {
	var refused *mail.SendError
	if errors.As(err, &refused) {
		return refused.IsTemp() || refused.ErrorCode() == 0
	}
	var network *net.OpError
	return errors.As(err, &network)
}

func (s sender) client() (*mail.Client, error) {
	host, portText, err := net.SplitHostPort(s.server)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTLSPolicy(mail.TLSOpportunistic),
		mail.WithTLSConfig(&tls.Config{RootCAs: s.roots, ServerName: host}),
	}
	if s.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover),
			mail.WithUsername(s.user), mail.WithPassword(s.password))
	}
	return mail.NewClient(host, options...)
}

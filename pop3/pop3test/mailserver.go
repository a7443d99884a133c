package pop3test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// MailServer is a whole mail server on loopback for the length of a test: SMTP
// and LMTP in, POP3 out, and mail in memory. It is for tests of programs that
// send mail, and of those that read it.
//
// Every address gets mail, and has a mailbox of its own, whose name is the
// address in lower case. Every user can log in with any password, over POP3 and
// over SMTP. Tests with servers of their own can run in parallel.
//
// Its methods may be called from any goroutine, but those that fail the test must
// be called from the test's own.
type MailServer struct {
	// SMTP is in the clear and offers no TLS: many programs begin TLS where it is
	// offered, and trust only the authorities of the machine. Submission offers
	// STARTTLS, for programs that insist on TLS or are given RootCAs; LMTP and
	// POP3 offer it too (STLS). SMTPS and POP3S are for TLS from the first octet.
	SMTP, Submission, SMTPS, LMTP, POP3, POP3S Address

	// RootCAs trusts the server's certificate, which is for "localhost",
	// 127.0.0.1 and ::1.
	RootCAs *x509.CertPool

	// Store has the mail.
	Store *memory.Store

	t        testing.TB
	ca       *x509.Certificate
	users    []string // canonical; nil: everybody
	serving  sync.WaitGroup
	servers  []func(context.Context) error
	delivery delivery
	faults   faults
}

// Address is where a server listens.
type Address struct {
	Host string
	Port int
}

// String returns host:port.
func (a Address) String() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// NewMailServer starts a mail server that ends with the test. If users are given,
// they alone get mail: others are refused at RCPT, and cannot log in.
func NewMailServer(t testing.TB, users ...string) *MailServer {
	t.Helper()
	certificate, err := testcert.New()
	if err != nil {
		t.Fatalf("pop3test: %v", err)
	}
	m := &MailServer{RootCAs: certificate.Roots, Store: &memory.Store{MaxMessageSize: -1}, t: t, ca: certificate.CA}
	m.delivery.changed, m.faults.over = make(chan struct{}), make(chan struct{})
	for _, user := range users {
		m.users = append(m.users, m.canonical(user))
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate.Server}}
	incoming := func(protocol lmtp.Protocol, config *tls.Config) *lmtp.Server {
		return &lmtp.Server{
			Protocol: protocol, Hostname: "localhost", TLSConfig: config, NoTrace: true,
			Directory: directory{m}, Appender: appender{m},
			Commands: []lmtp.Command{anyLogin}, Hooks: &lmtp.Hooks{Message: m.received},
			MaxMessageSize: -1, MaxPerAddress: -1,
		}
	}
	plain, secure, local := incoming(lmtp.SMTP, nil), incoming(lmtp.SMTP, config), incoming(lmtp.LMTP, config)
	outgoing := &pop3.Server{
		Handler:           pop3.Login(pop3.AuthenticatorFunc(m.authenticate), m.Store),
		AllowInsecureAuth: true, Brake: pop3.NoBrake, MaxPerAddress: -1, TLSConfig: config,
	}
	m.SMTP, m.LMTP = m.serve(plain.Serve), m.serve(local.Serve)
	m.Submission, m.SMTPS = m.serve(secure.Serve), m.serve(secure.ServeTLS)
	m.POP3, m.POP3S = m.serve(outgoing.Serve), m.serve(outgoing.ServeTLS)
	m.servers = []func(context.Context) error{plain.Shutdown, secure.Shutdown, local.Shutdown, outgoing.Shutdown}
	t.Cleanup(m.close)
	return m
}

func (m *MailServer) serve(serve func(net.Listener) error) Address {
	m.t.Helper()
	address := listen(m.t, &m.serving, serve)
	return Address{address.IP.String(), address.Port}
}

// close ends the servers. What is still at work is cut off after a moment: a test
// may leave connections open.
func (m *MailServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var closing sync.WaitGroup
	for _, shutdown := range m.servers {
		closing.Go(func() { shutdown(ctx) })
	}
	close(m.faults.over)
	closing.Wait()
	m.serving.Wait()
	m.Store.Close(context.Background())
}

// ClientTLS returns a config that trusts the server.
func (m *MailServer) ClientTLS() *tls.Config {
	return &tls.Config{RootCAs: m.RootCAs, ServerName: "localhost"}
}

// CAFile writes a PEM file with the authority that the server's certificate is
// from, and returns its path: for a program that is told it by a flag, or by the
// environment (SSL_CERT_FILE). The file goes with the test.
func (m *MailServer) CAFile() string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "ca.pem")
	octets := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.ca.Raw})
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		m.t.Fatalf("pop3test: %v", err)
	}
	return path
}

// Dial connects to POP3 in the clear.
func (m *MailServer) Dial(t testing.TB) *Client {
	t.Helper()
	return dial(t, m.POP3.String())
}

// Load delivers the .eml files of a file system, such as os.DirFS("testdata"), in
// the order of their paths. The directory at the top names the user:
// bob@example.org/1.eml. They do not count for Wait.
func (m *MailServer) Load(fixtures fs.FS) {
	m.t.Helper()
	if err := m.Store.LoadFS(context.Background(), fixtures); err != nil {
		m.t.Fatalf("pop3test: %v", err)
	}
}

// canonical is the name of the mailbox of an address.
func (m *MailServer) canonical(address string) string {
	m.t.Helper()
	user, err := mailbox.CanonicalUser(address)
	if err != nil {
		m.t.Fatalf("pop3test: %q: %v", address, err)
	}
	return user
}

// resolve finds the user of an address or of a login.
func (m *MailServer) resolve(address string) (user string, err error) {
	user, err = mailbox.CanonicalUser(address)
	if err == nil && m.users != nil && !slices.Contains(m.users, user) {
		err = mailbox.ErrNoSuchUser
	}
	return user, err
}

func (m *MailServer) authenticate(_ context.Context, login mailbox.Login) (string, error) {
	return m.resolve(login.User)
}

// Package dovecottest runs a real Dovecot on loopback for the length of a test,
// with one user, whose mail is in a Maildir:
//
//	server := dovecottest.Start(t, dovecottest.Config{Maildir: dir})
//	client, err := pop3client.Dial(ctx, server.POP3, pop3client.Options{AllowInsecureAuth: true})
//
// It needs Debian's packages dovecot-core and dovecot-pop3d (Dovecot 2.3), and
// no privileges: Dovecot runs as the user of the test, or as nobody if that is
// root, since it serves no mail of root's. Without Dovecot the test is skipped,
// or fails if POPCASK_REQUIRE_CLIENTS is 1.
package dovecottest

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/testcert"
)

// Config is what a Dovecot serves.
type Config struct {
	// Maildir has the mail of the user: the directory above new, cur and tmp.
	// Empty means a new one, which is empty. If the test runs as root, the
	// directory and all that is in it will belong to nobody.
	Maildir string

	// User and Password log in. Empty means "demo" and "secret".
	User, Password string

	// Settings are more lines of dovecot.conf, which win over those of this
	// package: "pop3_uidl_format = %f".
	Settings string
}

// Server is a Dovecot that runs.
type Server struct {
	// POP3 is the address for plain connections and STLS, POP3S the one for TLS
	// from the first octet on.
	POP3, POP3S string

	// User and Password log in, over plain connections too.
	User, Password string

	// Maildir has the mail of the user.
	Maildir string

	// RootCAs trusts the certificate, which is for "localhost", 127.0.0.1 and
	// ::1.
	RootCAs *x509.CertPool

	cmd   *exec.Cmd
	log   string        // its path
	ended chan struct{} // closed after the process has ended
}

// patience is how long Dovecot may take to start.
const patience = 30 * time.Second

// Start starts a Dovecot, which ends with the test.
func Start(t testing.TB, config Config) *Server {
	t.Helper()
	program := find(t)
	dir := newDir(t)
	s := &Server{
		User:     cmp.Or(config.User, "demo"),
		Password: cmp.Or(config.Password, "secret"),
		Maildir:  cmp.Or(config.Maildir, filepath.Join(dir, "Maildir")),
		log:      filepath.Join(dir, "log"),
	}
	must(t, s.prepare(dir))
	// Another program may take a port between the choice and the use of it.
	var err error
	for range 3 {
		if err = s.start(program, dir, config.Settings); err == nil {
			t.Cleanup(s.stop)
			return s
		}
	}
	t.Fatalf("dovecottest: %v\n%s", err, s.Log())
	return nil
}

// Log returns what Dovecot has logged.
func (s *Server) Log() string {
	text, _ := os.ReadFile(s.log)
	return string(text)
}

func find(t testing.TB) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/dovecot", "dovecot"} {
		program, err := exec.LookPath(path)
		if err == nil {
			return program
		}
	}
	const missing = "no dovecot: apt-get install dovecot-pop3d (.ci/clients-install installs all programs)"
	if os.Getenv("POPCASK_REQUIRE_CLIENTS") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// newDir makes a directory with a short name, since those of sockets are short:
// t.TempDir has the name of the test in it.
func newDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	dir, err = filepath.EvalSymlinks(dir)
	must(t, err)
	return dir
}

// prepare writes what stays the same if Dovecot must be started again.
func (s *Server) prepare(dir string) error {
	certificate, err := testcert.New()
	if err != nil {
		return err
	}
	s.RootCAs = certificate.Roots
	if err := certificate.WriteFiles(dir); err != nil {
		return err
	}
	uid, gid := owner()
	users := fmt.Sprintf("%s:{PLAIN}%s:%d:%d::%s\n", s.User, s.Password, uid, gid, dir)
	if err := os.WriteFile(filepath.Join(dir, "users"), []byte(users), 0o600); err != nil {
		return err
	}
	for _, name := range []string{"new", "cur", "tmp"} {
		if err := os.MkdirAll(filepath.Join(s.Maildir, name), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(s.log, nil, 0o600); err != nil {
		return err
	}
	if err := give(dir); err != nil {
		return err
	}
	return give(s.Maildir)
}

// start starts the process and waits until it greets.
func (s *Server) start(program, dir, settings string) error {
	plain, secure, err := freePorts()
	if err != nil {
		return err
	}
	uid, gid := owner()
	config := fmt.Sprintf(configuration, dir, s.Maildir, uid, userName(uid), groupName(gid), plain, secure) + settings + "\n"
	path := filepath.Join(dir, "dovecot.conf")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		return err
	}
	s.POP3, s.POP3S = fmt.Sprintf("127.0.0.1:%d", plain), fmt.Sprintf("127.0.0.1:%d", secure)
	// Not a pipe: a process that outlives the first would keep it open.
	log, err := os.OpenFile(s.log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(program, "-F", "-c", path)
	s.cmd.Dir = dir
	s.cmd.Stdout, s.cmd.Stderr = log, log
	child.Bind(s.cmd)
	runAsOwner(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.awaitGreeting(); err != nil {
		s.stop()
		return err
	}
	return nil
}

func (s *Server) awaitGreeting() error {
	late := time.After(patience)
	for {
		err := greets(s.POP3)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("dovecot ended at once: %w", err)
		case <-late:
			return fmt.Errorf("dovecot does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// greets returns nil if a POP3 server greets at an address.
func greets(address string) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	greeting := make([]byte, 512)
	n, err := conn.Read(greeting)
	if err == nil && !strings.HasPrefix(string(greeting[:n]), "+OK") {
		err = fmt.Errorf("it says %q", greeting[:n])
	}
	return err
}

// stop kills the process and all that it has started. What a client was told
// has been done is done.
func (s *Server) stop() {
	child.KillGroup(s.cmd)
	<-s.ended
}

// freePorts returns two ports of loopback that nobody listens on.
func freePorts() (a, b int, err error) {
	var ports [2]int
	for i := range ports {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, 0, err
		}
		defer listener.Close()
		ports[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports[0], ports[1], nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("dovecottest: %v", err)
	}
}

package clients

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/popcask/popcask/cassandra/cassandratest"
	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/internal/paxostest"
	"github.com/popcask/popcask/internal/slow"
	"github.com/popcask/popcask/internal/testcert"
)

// store is a store of the MDA: a row of the table for which every scenario
// runs.
type store struct {
	name    string
	durable bool // the mail is still there after a restart
	flags   func(t *testing.T) []string
}

var (
	memory  = store{"memory", false, func(*testing.T) []string { return []string{"-store", "memory"} }}
	maildir = store{"maildir", true, func(t *testing.T) []string { return []string{"-store", "maildir", "-dir", t.TempDir()} }}

	cassandra = store{"cassandra", true, func(t *testing.T) []string {
		cluster := cassandratest.Start(t, cassandratest.Topology{})
		dc, keyspace := cluster.DCs[0].Name, cluster.KeyspaceName(t)
		paxostest.Watch(t, cluster, keyspace)
		return []string{
			"-store", "cassandra", "-cassandra", strings.Join(cluster.Hosts(dc), ","), "-dc", dc,
			"-keyspace", keyspace, "-create-schema", dc + ":1",
		}
	}}
)

var (
	durableStores = []store{maildir, cassandra}
	allStores     = []store{maildir, memory, cassandra}
)

// over runs a scenario once with each store, each on an MDA of its own.
func over(t *testing.T, stores []store, scenario func(t *testing.T, m *mda), flags ...string) {
	t.Helper()
	t.Parallel()
	for _, store := range stores {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			scenario(t, start(t, store, flags...))
		})
	}
}

// mda is a running examples/mda.
type mda struct {
	store                   store
	flags                   []string
	pop3, pop3s, lmtp, smtp string // addresses, as the ready line names them
	process                 *exec.Cmd
	prepare                 func(*exec.Cmd) // changes the process before it starts; nil: nothing
	stderr                  *record
}

// Names of the users, one for each maildrop that a scenario needs. Their
// secrets have spaces and special characters on purpose.
const (
	anna = "anna"
	bert = "bert"
	cleo = "cleo"
)

var secrets = map[string]string{
	anna: "correct horse battery staple",
	bert: "b3rt%:s\"secret",
	cleo: "cleo-secret",
}

// host is the name in the certificate, besides the addresses.
const host = "localhost"

func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	return port
}

// octetFlags turn the trace header fields off, so that mail must come out as it
// went in.
var octetFlags = []string{"-trace=false"}

// start starts an MDA on free ports, waits until it is ready, and stops it
// after the test.
func start(t *testing.T, store store, flags ...string) *mda {
	t.Helper()
	certs := certificates(t)
	var users strings.Builder
	for name, secret := range secrets {
		fmt.Fprintf(&users, "%s:%s\n", name, secret)
	}
	m := &mda{store: store, stderr: new(record)}
	m.flags = slices.Concat([]string{
		"-users", write(t, filepath.Join(t.TempDir(), "users"), users.String()),
		"-tls-cert", certs.cert, "-tls-key", certs.key,
	}, store.flags(t), flags)
	m.launch(t)
	t.Cleanup(func() { m.stop(t) })
	return m
}

// restart stops the MDA and starts it again, on other ports: another process
// may have the old ones by then.
func (m *mda) restart(t *testing.T) {
	t.Helper()
	m.stop(t)
	m.launch(t)
}

func (m *mda) launch(t *testing.T) {
	t.Helper()
	const free = "127.0.0.1:0"
	args := append([]string{"-pop3", free, "-pop3s", free, "-lmtp", free, "-smtp", free}, m.flags...)
	// Not the test's own context: that ends before the cleanup, which stops the
	// MDA gently.
	m.process = command(context.Background(), t.TempDir(), build(t), args...)
	m.process.Stderr = m.stderr
	if m.prepare != nil {
		m.prepare(m.process)
	}
	stdout, err := m.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.process.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(stdout)
		if scanner.Scan() {
			lines <- scanner.Text()
		}
		close(lines)
		_, _ = io.Copy(io.Discard, stdout)
	}()
	select {
	case line := <-lines:
		if err := m.ready(line); err != nil {
			t.Fatalf("mda: %v\n%s", err, m.stderr.tail())
		}
	case <-time.After(time.Minute):
		t.Fatalf("mda: not ready after a minute\n%s", m.stderr.tail())
	}
}

// ready reads the addresses from the ready line.
func (m *mda) ready(line string) error {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "ready" {
		return fmt.Errorf("first line on standard output is %q, want one that begins with ready", line)
	}
	addresses := make(map[string]string)
	for _, word := range words[1:] {
		if name, address, ok := strings.Cut(word, "="); ok {
			addresses[name] = address
		}
	}
	m.pop3, m.pop3s, m.lmtp, m.smtp = addresses["pop3"], addresses["pop3s"], addresses["lmtp"], addresses["smtp"]
	for _, address := range []string{m.pop3, m.pop3s, m.lmtp, m.smtp} {
		if strings.HasPrefix(address, "unix:") {
			continue
		}
		if _, port, err := net.SplitHostPort(address); err != nil || port == "0" {
			return fmt.Errorf("the ready line %q does not name the address of each listener", line)
		}
	}
	return nil
}

// stop sends SIGTERM, after which the MDA must exit with code 0.
func (m *mda) stop(t *testing.T) {
	t.Helper()
	if m.process == nil || m.process.Process == nil {
		return
	}
	_ = m.process.Process.Signal(syscall.SIGTERM)
	patience := time.AfterFunc(20*time.Second, func() {
		t.Errorf("mda: still running 20 s after SIGTERM")
		_ = child.KillGroup(m.process)
	})
	defer patience.Stop()
	if err := m.process.Wait(); err != nil {
		t.Errorf("mda: %v after SIGTERM, want exit code 0", err)
	}
	m.process = nil
	if race := m.stderr.from("WARNING: DATA RACE"); race != "" {
		t.Errorf("mda: %.4000s", race)
	}
	if t.Failed() {
		t.Logf("mda's log:\n%s", m.stderr.tail())
	}
}

// awaitAPOP waits until the MDA has logged a session in which the user logged
// in by APOP under TLS, and which removed one message.
func (m *mda) awaitAPOP(t *testing.T, user string) {
	t.Helper()
	m.awaitSession(t, `user=`+user+` mechanism=APOP tls=true reason=quit .* deleted=1 `)
}

// awaitLogin waits until the MDA has logged a session in which the user logged
// in by a mechanism.
func (m *mda) awaitLogin(t *testing.T, user, mechanism string) {
	t.Helper()
	m.awaitSession(t, `user=`+user+` mechanism=`+mechanism+` `)
}

// awaitRefused waits until the MDA has logged that a login of a user by a
// mechanism was refused, because what should prove it was wrong.
func (m *mda) awaitRefused(t *testing.T, user, mechanism string) {
	t.Helper()
	m.awaitLog(t, `"pop3: login failed" .* login.user=`+user+` login.mechanism=`+mechanism+` .* wrong=true `)
}

// awaitSession waits until the log has a session with these attributes.
func (m *mda) awaitSession(t *testing.T, attributes string) {
	t.Helper()
	m.awaitLog(t, `"pop3: session" .* `+attributes)
}

// awaitLog waits until the log has a line with this pattern.
func (m *mda) awaitLog(t *testing.T, pattern string) {
	t.Helper()
	line := regexp.MustCompile(pattern)
	ctx := within(t, 10*time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !m.stderr.matches(line) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("no line with %q in the log:\n%s", pattern, m.stderr.tail())
		}
	}
}

// build makes the program once for all tests.
func build(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("POPCASK_MDA"); path != "" {
		return path
	}
	program, err := buildOnce()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var buildOnce = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	program := filepath.Join(scratch, "mda")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, fmt.Sprintf("-race=%t", slow.RaceDetector()), "..").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build ..: %w\n%s", err, out)
	}
	return program, nil
})

// scratch is a directory for what all tests share: the program and the
// certificates.
var scratch string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "popcask-clients-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(scratch)
		// Another user than that of the tests may run the program, too.
		if err := os.Chmod(scratch, 0o711); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// certs are files in PEM form: the CA that clients trust, and the certificate
// for the MDA that it signed.
type certs struct {
	ca, cert, key string
	pool          *x509.CertPool
}

func certificates(t *testing.T) certs {
	t.Helper()
	c, err := certificatesOnce()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var certificatesOnce = sync.OnceValues(func() (certs, error) {
	certificate, err := testcert.New()
	if err != nil {
		return certs{}, err
	}
	return certs{
		ca:   filepath.Join(scratch, "ca.pem"),
		cert: filepath.Join(scratch, "cert.pem"),
		key:  filepath.Join(scratch, "key.pem"),
		pool: certificate.Roots,
	}, certificate.WriteFiles(scratch)
})

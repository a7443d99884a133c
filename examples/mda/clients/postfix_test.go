//go:build linux

package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPostfix sends mail through Postfix, which hands it over by LMTP: for anna
// over TCP, for all others over a Unix socket.
func TestPostfix(t *testing.T) {
	needPostfix(t)
	t.Parallel()
	mail := t.TempDir()
	store := store{"maildir", true, func(*testing.T) []string { return []string{"-store", "maildir", "-dir", mail} }}
	tcp := start(t, memory, octetFlags...)
	unix := start(t, store, append(octetFlags, "-lmtp", "unix:"+filepath.Join(publicDir(t), "lmtp"))...)
	p := startPostfix(t, map[string]*mda{anna + "@corpus.example": tcp, "corpus.example": unix})

	t.Run("octets", func(t *testing.T) {
		for _, way := range []struct {
			name, user string
			mda        *mda
		}{{"TCP", anna, tcp}, {"Unix socket", bert, unix}} {
			t.Run(way.name, func(t *testing.T) {
				sent := append(corpus("postfix."+way.user), longLine("postfix."+way.user))
				p.send(t, from, sent, way.user)
				same(t, received(t, way.mda.take(t, way.user, len(sent)), postfixReceived), formed(sent, postfixForm), nil)
			})
		}
	})
	t.Run("one recipient of two is unknown", func(t *testing.T) {
		sent := many(1, "unknown")
		p.send(t, cleo+"@corpus.example", sent, bert, "nobody")
		same(t, received(t, unix.take(t, bert, 1), postfixReceived), sent, nil)
		bounces := unix.take(t, cleo, 1)
		if len(bounces) != 1 {
			t.Fatalf("%d bounces", len(bounces))
		}
		report := regexp.MustCompile(`\r\nFinal-Recipient: rfc822; nobody@corpus\.example\r\n(?:.+\r\n)*` +
			`Action: failed\r\nStatus: 5\.1\.1\r\n(?:.+\r\n)*Diagnostic-Code: smtp; 550 5\.1\.1 No such user here\r\n\r\n`)
		if !report.Match(bounces[0]) || bytes.Contains(bounces[0], []byte("Final-Recipient: rfc822; bert@")) {
			t.Errorf("the bounce is\n%s", bounces[0])
		}
	})
	t.Run("one recipient of two has to wait", func(t *testing.T) {
		// bert's Maildir is a file, for a while.
		dir := filepath.Join(mail, bert)
		if err := os.Rename(dir, dir+"-away"); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "")
		sent := many(1, "wait")
		p.send(t, from, sent, bert, cleo)
		same(t, received(t, unix.take(t, cleo, 1), postfixReceived), sent, nil)
		p.awaitDeferred(t, `to=<bert@corpus\.example>.* dsn=4\.3\.0, status=deferred \(.* said: 451 4\.3\.0 `)
		if err := errors.Join(os.Remove(dir), os.Rename(dir+"-away", dir)); err != nil {
			t.Fatal(err)
		}
		run(t, command(within(t, time.Minute), p.dir, need(t, "postqueue", "postfix"), "-c", p.conf(), "-f"))
		same(t, received(t, unix.take(t, bert, 1), postfixReceived), sent, nil)
	})
	p.awaitEmptyQueue(t)
	for user, m := range map[string]*mda{anna: tcp, bert: unix, cleo: unix} {
		if left := m.maildrop(t, user); len(left) > 0 {
			t.Errorf("%s got more mail than was sent: %v", user, left)
		}
	}
}

// postfixForm is what Postfix makes of a message. It says where a line ends in
// its own way in two cases, both of which end up as CRLF.
func postfixForm(m message) []byte {
	switch m.name {
	case "bare-lf-by-data":
		// A LF ends a line for the dots, too: a dot at its start is one that the
		// sender has doubled, and a line of a dot is nothing.
		header, _, _ := bytes.Cut(m.sent, []byte("\r\n\r\n"))
		return slices.Concat(header, []byte("\r\n\r\nmixed\nline\r\nends\nand dots\n.\nQUIT\r\n\n.\na\r\n"))
	case "final-cr":
		// A CR is an octet of the last line, which has no end.
		return slices.Concat(m.sent, []byte("\r\n"))
	}
	return m.sent
}

// postfixReceived is the header field that Postfix puts in front of a message.
var postfixReceived = regexp.MustCompile(`^Received: from client\.example \(localhost \[127\.0\.0\.1\]\)\r\n` +
	`\tby mta\.example \(Postfix\) with (?:UTF8SMTP|ESMTP) id [0-9A-F]+(?:\r\n\tfor <[a-z@.]+>; |;\r\n\t)[^\r\n]+\r\n`)

// postfix is a running Postfix with a configuration and a queue of its own.
type postfix struct {
	dir  string
	smtp string // the address of its SMTP server
}

func needPostfix(t *testing.T) {
	t.Helper()
	need(t, "postfix", "postfix")
	if os.Getuid() != 0 {
		missing(t, "Postfix needs root")
	}
}

// startPostfix starts a Postfix that delivers the mail for some addresses and
// domains to MDAs, and stops it after the test.
func startPostfix(t *testing.T, routes map[string]*mda) *postfix {
	t.Helper()
	p := &postfix{dir: publicDir(t), smtp: addressOfItsOwn(t)}
	var transports strings.Builder
	for pattern, m := range routes {
		next := m.lmtp
		if !strings.HasPrefix(next, "unix:") {
			next = "inet:[127.0.0.1]:" + port(next)
		}
		fmt.Fprintf(&transports, " {%s = lmtp:%s}", pattern, next)
	}
	write(t, filepath.Join(p.conf(), "main.cf"), fmt.Sprintf(postfixMain, p.dir, transports.String()))
	write(t, filepath.Join(p.conf(), "master.cf"), fmt.Sprintf(postfixMaster, p.smtp))
	for _, dir := range []string{"queue", "data"} {
		if err := os.Mkdir(filepath.Join(p.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	owner, err := user.Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	if err := os.Chown(filepath.Join(p.dir, "data"), uid, -1); err != nil {
		t.Fatal(err)
	}

	// Postfix makes itself a daemon. The shell stops it when its standard input
	// ends, which it does even if this program is killed.
	cmd := exec.Command("/bin/sh", "-c", `trap "" PIPE; postfix -c "$0" start && echo started && cat; postfix -c "$0" stop`, p.conf())
	cmd.Env = environment(p.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("postfix stop: %v", err)
		}
		if t.Failed() {
			t.Logf("Postfix's log:\n%s", tail(p.log(t)))
		}
	})
	if n, _ := stdout.Read(make([]byte, len("started"))); n == 0 {
		t.Fatal("Postfix did not start")
	}
	return p
}

func (p *postfix) conf() string { return filepath.Join(p.dir, "conf") }

func (p *postfix) log(t *testing.T) []byte { return read(t, filepath.Join(p.dir, "log")) }

// send hands messages to Postfix over SMTP on one connection.
func (p *postfix) send(t *testing.T, from string, messages []message, users ...string) {
	t.Helper()
	s := connect(t, p.smtp, false)
	defer s.conn.Close()
	for _, m := range messages {
		s.sendFrom(from, m, users...)
	}
	s.command(221, "QUIT")
}

// awaitDeferred waits until Postfix has put a message aside, for a reason that
// is in its log.
func (p *postfix) awaitDeferred(t *testing.T, line string) {
	t.Helper()
	pattern := regexp.MustCompile(line)
	await(t, func() bool { return p.queued("deferred") && pattern.Match(p.log(t)) },
		"Postfix deferred nothing, or for another reason than "+line)
}

// awaitEmptyQueue waits until Postfix has dealt with all mail.
func (p *postfix) awaitEmptyQueue(t *testing.T) {
	t.Helper()
	await(t, func() bool { return !p.queued("incoming") && !p.queued("active") && !p.queued("deferred") },
		"there is mail in Postfix's queue")
}

// queued reports whether there is mail in a queue.
func (p *postfix) queued(queue string) (mail bool) {
	_ = filepath.WalkDir(filepath.Join(p.dir, "queue", queue), func(_ string, entry fs.DirEntry, err error) error {
		mail = mail || err == nil && !entry.IsDir()
		return nil
	})
	return mail
}

// addressOfItsOwn returns an address that nobody else takes in the meantime:
// nothing else listens on that IP address.
func addressOfItsOwn(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.37.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

const postfixMain = `
compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/log
maillog_file_prefixes = %[1]s
inet_protocols = ipv4
myhostname = mta.example
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
local_transport = error:nobody is local
default_transport = error:nothing leaves this machine
transport_maps = inline:{%[2]s}
message_size_limit = 52428800
smtpd_forbid_bare_newline = normalize
smtpd_forbid_bare_newline_exclusions =
local_header_rewrite_clients =
cleanup_replace_stray_cr_lf = no
lmtp_line_length_limit = 0
`

const postfixMaster = `
postlog unix-dgram n - n - 1 postlogd
%s inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
`

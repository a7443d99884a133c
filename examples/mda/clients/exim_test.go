//go:build linux

package clients

import (
	"bytes"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestExim sends mail through Exim, which hands it over by LMTP: over TCP, with
// STARTTLS and CHUNKING as the MDA offers them, and over a Unix socket.
func TestExim(t *testing.T) {
	program := needExim(t)
	t.Parallel()
	tcp := start(t, memory, octetFlags...)
	unix := start(t, memory, append(octetFlags, "-lmtp", "unix:"+filepath.Join(publicDir(t), "lmtp"))...)
	dir := publicDir(t)
	conf := write(t, filepath.Join(dir, "exim.conf"), fmt.Sprintf(eximConf, dir, port(tcp.lmtp), strings.TrimPrefix(unix.lmtp, "unix:"), program))
	if err := os.Chmod(conf, 0o644); err != nil { // Exim reads it again as Debian-exim
		t.Fatal(err)
	}
	owner, err := user.Lookup("Debian-exim")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	for _, name := range []string{"spool", "log"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(dir, name), uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, text := range files(t, filepath.Join(dir, "log")) {
				t.Logf("Exim's log:\n%s", tail(text))
			}
		}
	})
	// -odi: Exim ends when it has delivered the message, or failed to.
	send := func(t *testing.T, from string, text []byte, to ...string) {
		t.Helper()
		cmd := command(within(t, time.Minute), dir, program, append([]string{"-C", conf, "-odi", "-oi", "-f", from, "--"}, to...)...)
		cmd.Stdin = bytes.NewReader(text)
		run(t, cmd)
	}

	for _, way := range []struct {
		name string
		way
	}{
		{"TCP", way{"LMTP+STARTTLS", anna, tcp, tcp.lmtp}},
		{"Unix socket", way{"LMTP", bert, unix, unix.lmtp}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			// Exim puts a date and a sender into a message that has none.
			sent := slices.DeleteFunc(way.messages("exim"), func(m message) bool { return m.name == "dot-first" })
			for _, m := range sent {
				send(t, from, m.sent, way.user+"@corpus.example")
			}
			same(t, received(t, way.mda.take(t, way.user, len(sent)), eximReceived), formed(sent, eximForm), nil)
		})
	}
	t.Run("one recipient of two is unknown", func(t *testing.T) {
		sent := corpus("exim-unknown")[:1]
		send(t, cleo+"@corpus.example", sent[0].sent, bert+"@corpus.example", "nobody@corpus.example")
		same(t, received(t, unix.take(t, bert, 1), eximReceived), sent, nil)

		run(t, command(within(t, time.Minute), dir, program, "-C", conf, "-qf"))
		bounces := unix.take(t, cleo, 1)
		report := regexp.MustCompile(`  nobody@corpus\.example\r\n    LMTP error after RCPT TO:<nobody@corpus\.example>:\r\n` +
			`    550 5\.1\.1 No such user here\r\n\r\n(?s:.*)\r\nAction: failed\r\nFinal-Recipient: rfc822;nobody@corpus\.example\r\n`)
		if len(bounces) != 1 || !report.Match(bounces[0]) || bytes.Contains(bounces[0], []byte("bert@")) {
			t.Errorf("the bounces are\n%s", bounces)
		}
	})
}

// eximForm is what Exim makes of a message: a CR ends a line, too.
func eximForm(m message) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(m.sent, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// eximReceived is the header field that Exim puts in front of a message.
var eximReceived = regexp.MustCompile(`^Received: from [a-z]+ by mta\.example with local \(Exim [0-9.]+\)\r\n` +
	`\t\(envelope-from <[a-z@.-]+>\)\r\n\tid [0-9A-Za-z-]+(?:\r\n\tfor [a-z@.]+)?;\r\n\t[^\r\n]+\r\n`)

// unpackedExim is where .ci/clients-install puts Exim, which Debian does not
// install beside Postfix.
const unpackedExim = "/usr/local/lib/popcask-clients/exim4"

func needExim(t *testing.T) string {
	t.Helper()
	program := unpackedExim
	if !executable(program) {
		program = need(t, "exim4", "exim4-daemon-light")
	}
	if os.Getuid() != 0 {
		missing(t, "Exim needs root")
	}
	return program
}

const eximConf = `
primary_hostname = mta.example
spool_directory = %[1]s/spool
log_file_path = %[1]s/log/%%s
exim_path = %[4]s
keep_environment =
host_lookup =
deliver_drop_privilege
# What -odi does not deliver at once, which is bounces.
queue_only
local_interfaces =

begin routers

tcp:
  driver = manualroute
  local_parts = anna
  route_list = * 127.0.0.1 byname
  self = send
  transport = tcp

unix:
  driver = accept
  transport = unix

begin transports

tcp:
  driver = smtp
  protocol = lmtp
  port = %[2]s
  allow_localhost
  message_linelength_limit = 2M

unix:
  driver = lmtp
  socket = %[3]s
  user = Debian-exim
`

package clients

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// TestMsmtp sends with msmtp, each message in a session of its own.
func TestMsmtp(t *testing.T) {
	program := need(t, "msmtp", "msmtp")
	t.Parallel()
	for _, way := range allWays(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"-C", "/dev/null", "--timeout=30", "--host=" + host, "--protocol=" + strings.ToLower(way.protocol()),
				"--from=" + from, "--set-from-header=off", "--set-date-header=off", "--set-msgid-header=off", "--tls=off"}
			if way.secured() {
				args = append(args, "--tls=on", "--tls-starttls=on", "--tls-trust-file="+certificates(t).ca)
			}
			if way.socket() != "" {
				args = append(args, "--port=24", "--socket="+way.socket()) // it demands a port
			} else {
				args = append(args, "--port="+port(way.address))
			}
			home := t.TempDir()
			send := func(text []byte, to string, codes ...int) output {
				t.Helper()
				cmd := command(within(t, time.Minute), home, program, append(args[:len(args):len(args)], to+"@corpus.example")...)
				cmd.Stdin = bytes.NewReader(text)
				return run(t, cmd, codes...)
			}
			sent := way.messages("msmtp")
			for _, m := range sent {
				send(m.sent, way.user)
			}
			way.arrives(t, sent, 1)

			const refused = 65 // EX_DATAERR
			out := send([]byte("Subject: nobody\r\n\r\n"), "nobody", refused)
			if !bytes.Contains(out.stderr, []byte("550 5.1.1 ")) {
				t.Errorf("%s", out.stderr)
			}
		})
	}
}

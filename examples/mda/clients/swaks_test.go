package clients

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSwaks sends with swaks, each message in a session of its own, with
// pipelining and without.
func TestSwaks(t *testing.T) {
	program := need(t, "swaks", "swaks")
	if !bytes.Contains(run(t, command(t.Context(), t.TempDir(), program, "--support")).stdout, []byte("=== TLS supported")) {
		missing(t, "swaks without TLS: apt-get install libnet-ssleay-perl")
	}
	t.Parallel()
	for _, way := range allWays(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--config", "/dev/null", "--protocol", strings.Replace(way.protocol(), "SMTP", "ESMTP", 1),
				"--helo", "client.example", "--from", from, "--data", "-", "--silent", "2"}
			if way.secured() {
				args = append(args, "--tls", "--tls-verify", "--tls-ca-path", certificates(t).ca)
			}
			if way.socket() != "" {
				args = append(args, "--socket", way.socket())
			} else {
				args = append(args, "--server", host, "--port", port(way.address))
			}
			pipelined := [][]string{nil, {"--pipeline"}}
			home := t.TempDir()
			send := func(text []byte, to string, more []string, codes ...int) output {
				t.Helper()
				cmd := command(within(t, time.Minute), home, program, slices.Concat(args, []string{"--to", to + "@corpus.example"}, more)...)
				cmd.Stdin = bytes.NewReader(text)
				return run(t, cmd, codes...)
			}
			sent := slices.DeleteFunc(byData("swaks"), func(m message) bool {
				return !slices.Contains([]string{"lone-dot-in-the-middle", "eight-bit-octets", "attachment-1MB"}, m.name)
			})
			for i, m := range sent {
				send(m.sent, way.user, pipelined[i%2])
			}
			way.arrives(t, formed(sent, swaksForm), 1)

			const refused = 24 // no recipient was accepted
			for _, more := range pipelined {
				out := send([]byte("Subject: nobody\r\n\r\n"), "nobody", more, refused)
				if !bytes.Contains(slices.Concat(out.stdout, out.stderr), []byte("550 5.1.1 ")) {
					t.Errorf("%s\n%s", out.stdout, out.stderr)
				}
			}
		})
	}
}

// swaksForm is what swaks sends of a message: it ends the last line once more.
func swaksForm(m message) []byte { return slices.Concat(m.sent, []byte("\r\n")) }

package clients

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestOpenSSL verifies the certificate with openssl s_client, after STLS and on
// POP3S, and sends a whole session through it, pipelined.
func TestOpenSSL(t *testing.T) {
	program := need(t, "openssl", "openssl")
	over(t, allStores, func(t *testing.T, m *mda) {
		sent := corpus("openssl")
		m.deliver(t, anna, sent)
		for _, way := range []struct {
			name string
			args []string
		}{
			{"STLS", []string{"-starttls", "pop3", "-connect", m.pop3}},
			{"POP3S", []string{"-alpn", "pop3", "-connect", m.pop3s}},
		} {
			t.Run(way.name, func(t *testing.T) {
				t.Parallel()
				args := append([]string{"s_client", "-CAfile", certificates(t).ca, "-no-CApath",
					"-verify_return_error", "-verify_hostname", host, "-servername", host}, way.args...)

				opensslCertificate(t, program, args, way.name == "POP3S")
				opensslSession(t, program, args, way.name == "POP3S", sent)
			})
		}
	}, octetFlags...)
}

// opensslCertificate verifies the certificate of the MDA.
func opensslCertificate(t *testing.T, program string, args []string, implicit bool) {
	t.Helper()
	cmd := command(within(t, time.Minute), t.TempDir(), program, append(args, "-ign_eof")...)
	cmd.Stdin = strings.NewReader("QUIT\r\n")
	about := string(run(t, cmd).stdout)
	wants := []string{"Verify return code: 0 (ok)", "Verified peername: " + host, "TLSv1.3"}
	if implicit {
		wants = append(wants, "ALPN protocol: pop3")
	}
	for _, want := range wants {
		if !strings.Contains(about, want) {
			t.Errorf("openssl s_client does not say %q:\n%s", want, tail([]byte(about)))
		}
	}
}

// opensslSession retrieves the messages in one session.
func opensslSession(t *testing.T, program string, args []string, implicit bool, sent []message) {
	t.Helper()
	// All commands at once; -quiet keeps s_client from taking those
	// that begin with Q or R for its own.
	var commands strings.Builder
	fmt.Fprintf(&commands, "USER %s\r\nPASS %s\r\nSTAT\r\n", anna, secrets[anna])
	for i := range sent {
		fmt.Fprintf(&commands, "RETR %d\r\n", i+1)
	}
	commands.WriteString("QUIT\r\n")
	cmd := command(within(t, time.Minute), t.TempDir(), program, append(args, "-quiet")...)
	cmd.Stdin = strings.NewReader(commands.String())
	answers := run(t, cmd).stdout

	next := func() string {
		line, rest, found := bytes.Cut(answers, []byte("\r\n"))
		if !found || !bytes.HasPrefix(line, []byte("+OK")) {
			t.Fatalf("answer %.200q", answers)
		}
		answers = rest
		return string(line)
	}
	total := 0
	for _, m := range sent {
		total += len(m.wire())
	}
	if implicit {
		next() // the greeting; -starttls reads it itself
	}
	next() // USER
	next() // PASS
	if got, want := next(), fmt.Sprintf("+OK %d %d", len(sent), total); got != want {
		t.Errorf("STAT: %q, want %q", got, want)
	}
	var messages [][]byte
	for range sent {
		next()
		text, rest, found := bytes.Cut(append([]byte("\r\n"), answers...), []byte("\r\n.\r\n"))
		if !found {
			t.Fatalf("no end of a message: %.200q", answers)
		}
		messages, answers = append(messages, append(text[2:len(text):len(text)], "\r\n"...)), rest
	}
	next() // QUIT
	if len(answers) > 0 {
		t.Errorf("after QUIT: %.200q", answers)
	}
	same(t, messages, sent, stuff)
}

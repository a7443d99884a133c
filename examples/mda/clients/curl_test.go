package clients

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// curl runs curl as a user of the MDA, without a configuration file, and with
// the test's CA.
func curl(t *testing.T, codes []int, user string, args ...string) output {
	t.Helper()
	args = append([]string{"-q", "-sS", "--max-time", "110", "--cacert", certificates(t).ca, "-u", user + ":" + secrets[user]}, args...)
	return run(t, command(within(t, 2*time.Minute), t.TempDir(), need(t, "curl", "curl"), args...), codes...)
}

// curlAll fetches messages 1 to n in one session each and returns them.
func curlAll(t *testing.T, n int, user, url string, args ...string) [][]byte {
	t.Helper()
	dir := t.TempDir()
	curl(t, nil, user, append(args, "-o", filepath.Join(dir, "#1"), fmt.Sprintf("%s[1-%d]", url, n))...)
	messages := make([][]byte, n)
	for i := range messages {
		messages[i] = read(t, filepath.Join(dir, strconv.Itoa(i+1)))
	}
	return messages
}

func TestCurl(t *testing.T) {
	need(t, "curl", "curl")
	over(t, allStores, func(t *testing.T, m *mda) {
		sent := corpus("curl")
		half := len(sent) / 2
		m.deliver(t, anna, sent[:half])
		m.submit(t, anna, sent[half:])
		plain := "pop3://" + host + ":" + port(m.pop3) + "/"
		secure := "pop3s://" + host + ":" + port(m.pop3s) + "/"

		for _, way := range []struct {
			name, url string
			args      []string
		}{
			{"pop3", plain, nil},
			{"pop3s", secure, nil},
			{"STLS required", plain, []string{"--ssl-reqd"}},
			{"AUTH=PLAIN", secure, []string{"--login-options", "AUTH=PLAIN"}},
			{"AUTH=PLAIN with an initial response", plain, []string{"--ssl-reqd", "--login-options", "AUTH=PLAIN", "--sasl-ir"}},
			{"APOP", plain, []string{"--login-options", "AUTH=+APOP"}},
		} {
			t.Run("RETR/"+way.name, func(t *testing.T) {
				same(t, curlAll(t, len(sent), anna, way.url, way.args...), sent, nil)
			})
		}

		curlCommands(t, m, sent, secure)
		curlRefused(t, plain, secure)
	}, octetFlags...)
}

// curlCommands sends the other commands than RETR.
func curlCommands(t *testing.T, m *mda, sent []message, url string) {
	t.Run("LIST", func(t *testing.T) {
		var want strings.Builder
		for i, m := range sent {
			fmt.Fprintf(&want, "%d %d\r\n", i+1, len(m.wire()))
		}
		if got := curl(t, nil, anna, url).stdout; string(got) != want.String() {
			t.Errorf("got\n%s\nwant\n%s", got, want.String())
		}
	})
	t.Run("UIDL", func(t *testing.T) {
		var want strings.Builder
		for i, id := range m.maildrop(t, anna) {
			fmt.Fprintf(&want, "%d %s\r\n", i+1, id)
		}
		if got := curl(t, nil, anna, "-X", "UIDL", url).stdout; string(got) != want.String() {
			t.Errorf("got\n%s\nwant\n%s", got, want.String())
		}
	})
	t.Run("TOP", func(t *testing.T) {
		for i, m := range sent {
			for _, lines := range []int{0, 1, 3} {
				got := curl(t, nil, anna, "-X", fmt.Sprintf("TOP %d %d", i+1, lines), url).stdout
				if want := top(m.wire(), lines); !bytes.Equal(got, want) {
					t.Errorf("%s, %d lines: %s", m.name, lines, difference(got, want))
				}
			}
			if i == 12 { // a process for each is slow; poplib tests the rest
				break
			}
		}
	})
	t.Run("DELE", func(t *testing.T) {
		before := m.maildrop(t, anna)
		curl(t, nil, anna, "--head", "-X", "DELE 2", url)
		after := m.maildrop(t, anna)
		if want := append(before[:1:1], before[2:]...); fmt.Sprint(after) != fmt.Sprint(want) {
			t.Errorf("after DELE 2 the maildrop is %v, want %v", after, want)
		}
	})
}

// curlRefused logs in with a wrong password, and does not trust the
// certificate.
func curlRefused(t *testing.T, plain, secure string) {
	const accessDenied, badCertificate = 67, 60
	t.Run("wrong password", func(t *testing.T) {
		curl(t, []int{accessDenied}, anna, "-u", "anna:wrong", secure)
	})
	t.Run("unknown CA", func(t *testing.T) {
		curl(t, []int{badCertificate}, anna, "--cacert", "/etc/ssl/certs/ca-certificates.crt", secure)
		curl(t, []int{badCertificate}, anna, "--cacert", "/etc/ssl/certs/ca-certificates.crt", "--ssl-reqd", plain)
	})
}

// top is what TOP sends of a message: its header, the blank line and the first
// lines of its body.
func top(text []byte, lines int) []byte {
	header, body, found := bytes.Cut(text, []byte("\r\n\r\n"))
	if !found {
		return text
	}
	parts := bytes.SplitAfter(body, []byte("\n"))
	head := text[:len(header)+4]
	return append(head[:len(head):len(head)], bytes.Join(parts[:min(lines, len(parts))], nil)...)
}

// TestTrace checks what a final delivery prepends (RFC 5321 section 4.4): the
// fields Return-Path, Delivered-To and Received, once each, and nothing else.
func TestTrace(t *testing.T) {
	need(t, "curl", "curl")
	over(t, allStores, func(t *testing.T, m *mda) {
		sent := corpus("trace")
		m.deliver(t, anna, sent)
		m.submit(t, bert, sent)
		for _, user := range []string{anna, bert} {
			t.Run(user, func(t *testing.T) {
				messages := curlAll(t, len(sent), user, "pop3s://"+host+":"+port(m.pop3s)+"/")
				for i, text := range messages {
					messages[i] = untraced(t, text, user)
				}
				same(t, messages, sent, nil)
			})
		}
	})
}

var traceFields = regexp.MustCompile(`^Return-Path: (.*)\r\nDelivered-To: (.*)\r\nReceived: ((?:.*\r\n)(?:[ \t].*\r\n)*)`)

// untraced checks and removes the trace header fields.
func untraced(t *testing.T, text []byte, user string) []byte {
	t.Helper()
	fields := traceFields.FindSubmatch(text)
	if fields == nil {
		t.Fatalf("message does not begin with Return-Path, Delivered-To and Received: %.300q", text)
	}
	if got, want := string(fields[1]), "<"+from+">"; got != want {
		t.Fatalf("Return-Path: %q, want %q", got, want)
	}
	if got := string(fields[2]); got != user+"@corpus.example" && got != user {
		t.Fatalf("Delivered-To: %q, want %s", got, user)
	}
	received := string(fields[3])
	for _, part := range []string{"from client.example", "by ", "with ", ";"} {
		if !strings.Contains(received, part) {
			t.Fatalf("Received: %q, want something with %q", received, part)
		}
	}
	return text[len(fields[0]):]
}

// TestSelfSigned reads mail over POP3S and STLS from an MDA that has made its
// own certificate, with a curl that does not verify it.
func TestSelfSigned(t *testing.T) {
	need(t, "curl", "curl")
	t.Parallel()
	m := start(t, memory, "-trace=false", "-tls-self-signed", "-tls-cert", "", "-tls-key", "")
	sent := many(2, "self-signed")
	m.deliver(t, anna, sent)
	same(t, curlAll(t, 2, anna, "pop3s://"+m.pop3s+"/", "-k"), sent, nil)
	same(t, curlAll(t, 2, anna, "pop3://"+m.pop3+"/", "-k", "--ssl-reqd"), sent, nil)
}

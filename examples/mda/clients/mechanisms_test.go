package clients

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMechanisms logs in by the SASL mechanisms of clients that bring their own,
// in the clear where the mechanism discloses no secret.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	m := start(t, memory, slices.Concat(octetFlags, []string{"-insecure-auth=false"})...)
	sent := many(1, "mechanisms")
	m.deliver(t, bert, sent)

	t.Run("mpop", func(t *testing.T) {
		program := need(t, "mpop", "mpop")
		for _, way := range []struct{ auth, mechanism, port, tls string }{
			{"on", "SCRAM-SHA-256", port(m.pop3), "tls off"}, // its own choice
			{"scram-sha-1", "SCRAM-SHA-1", port(m.pop3), "tls off"},
			{"scram-sha-256", "SCRAM-SHA-256", port(m.pop3), "tls off"},
			{"cram-md5", "CRAM-MD5", port(m.pop3), "tls off"},
			{"scram-sha-256", "SCRAM-SHA-256", port(m.pop3s), "tls on\ntls_starttls off"},
			{"login", "LOGIN", port(m.pop3s), "tls on\ntls_starttls off"},
		} {
			home := t.TempDir()
			mbox := filepath.Join(home, "mbox")
			config := write(t, filepath.Join(home, "mpoprc"), mpopConfig(t, bert, way.port, way.tls+"\nauth "+way.auth, true, filepath.Join(home, "uidls"), "mbox "+mbox))
			run(t, command(within(t, 2*time.Minute), home, program, "-C", config, "--quiet"))
			same(t, mboxrd(t, read(t, mbox)), sent, unix)
			m.awaitLogin(t, bert, way.mechanism)
		}
	})
	t.Run("fetchmail", func(t *testing.T) {
		f := newFetchmail(t, bert, "port "+port(m.pop3)+" auth cram-md5", "keep sslproto ''")
		f.run(t, fetchmailGotMail)
		same(t, f.messages(t), sent, nil)
		m.awaitLogin(t, bert, "CRAM-MD5")
	})
	t.Run("curl", func(t *testing.T) {
		for mechanism, url := range map[string]string{
			"CRAM-MD5": "pop3://" + host + ":" + port(m.pop3) + "/",
			"LOGIN":    "pop3s://" + host + ":" + port(m.pop3s) + "/",
		} {
			same(t, curlAll(t, 1, bert, url, "--login-options", "AUTH="+mechanism), sent, nil)
			m.awaitLogin(t, bert, mechanism)
		}
	})
	t.Run("wrong password", func(t *testing.T) {
		const denied = 67 // CURLE_LOGIN_DENIED
		for _, mechanism := range []string{"CRAM-MD5", "LOGIN", "PLAIN"} {
			out := curl(t, []int{denied}, bert, "-u", bert+":wrong", "--login-options", "AUTH="+mechanism, "pop3s://"+host+":"+port(m.pop3s)+"/")
			if !strings.Contains(string(out.stderr), "curl: (67)") {
				t.Errorf("%s", out.stderr)
			}
		}
	})
}

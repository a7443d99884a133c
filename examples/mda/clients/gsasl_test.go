package clients

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

//go:embed testdata/gsasl_client.py
var gsaslClient string

// TestGNUSASL logs in with GNU SASL, which binds SCRAM to the TLS of OpenSSL
// (RFC 5802, RFC 9266). It comes with mpop, pyOpenSSL with Twisted.
func TestGNUSASL(t *testing.T) {
	t.Parallel()
	python := need(t, "python3", "python3")
	if command(within(t, time.Minute), t.TempDir(), python, "-I", "-c", "import OpenSSL, ctypes; ctypes.CDLL('libgsasl.so.18')").Run() != nil {
		missing(t, "no pyOpenSSL or no GNU SASL: apt-get install python3-openssl libgsasl18 (.ci/clients-install installs all clients)")
	}
	m := start(t, memory)
	type way struct {
		Mechanism string `json:"mechanism"`
		TLS       string `json:"tls"`
		Binding   string `json:"binding"`
		Other     bool   `json:"other"` // the binding is that of another connection
		Password  string `json:"password"`
		want      string
	}
	const welcome, refused = "+OK maildrop has 0 messages", "-ERR [AUTH] authentication failed"
	right, wrong := secrets[anna], secrets[bert]
	ways := []way{
		{"SCRAM-SHA-256-PLUS", "1.3", "tls-exporter", false, right, welcome},
		{"SCRAM-SHA-1-PLUS", "1.3", "tls-exporter", false, right, welcome},
		{"SCRAM-SHA-256-PLUS", "1.2", "tls-exporter", false, right, welcome},
		{"SCRAM-SHA-256-PLUS", "1.2", "tls-unique", false, right, welcome},
		{"SCRAM-SHA-256-PLUS", "1.3", "tls-exporter", false, wrong, refused},
		{"SCRAM-SHA-256-PLUS", "1.3", "tls-exporter", true, right, refused},
		{"SCRAM-SHA-256", "1.3", "", false, right, welcome},
		{"SCRAM-SHA-1", "1.2", "", false, right, welcome},
		{"SCRAM-SHA-256", "1.3", "", false, wrong, refused},
		{"CRAM-MD5", "1.3", "", false, right, welcome},
		{"CRAM-MD5", "1.3", "", false, wrong, refused},
		{"PLAIN", "1.3", "", false, right, welcome},
		{"LOGIN", "1.3", "", false, right, welcome},
	}
	portNumber, err := strconv.Atoi(port(m.pop3))
	if err != nil {
		t.Fatal(err)
	}
	options, err := json.Marshal(map[string]any{"host": host, "port": portNumber, "ca": certificates(t).ca, "user": anna, "ways": ways})
	if err != nil {
		t.Fatal(err)
	}
	script := write(t, filepath.Join(t.TempDir(), "gsasl_client.py"), gsaslClient)
	cmd := command(within(t, 2*time.Minute), t.TempDir(), python, "-I", "-X", "utf8", script)
	cmd.Stdin = bytes.NewReader(options)
	var answers []string

	if err := json.Unmarshal(run(t, cmd).stdout, &answers); err != nil {
		t.Fatal(err)
	}
	for i, way := range ways {
		if i >= len(answers) || answers[i] != way.want {
			t.Errorf("%+v: %q", way, answers[i])
		}
	}
}

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

//go:embed testdata/sasl_client.py
var saslClient string

// TestGNUSASL logs in with GNU SASL, which comes with mpop.
func TestGNUSASL(t *testing.T) {
	saslLibrary(t, "GNU", "libgsasl.so.18", "libgsasl18")
}

// TestCyrusSASL logs in with Cyrus SASL, whose SCRAM is another one.
func TestCyrusSASL(t *testing.T) {
	saslLibrary(t, "Cyrus", "libsasl2.so.2", "libsasl2-2 libsasl2-modules")
}

// saslLibrary logs in with a SASL library that binds SCRAM to the TLS of OpenSSL
// (RFC 5802, RFC 9266). pyOpenSSL comes with Twisted.
func saslLibrary(t *testing.T, name, file, install string) {
	t.Parallel()
	python := need(t, "python3", "python3")
	if command(within(t, time.Minute), t.TempDir(), python, "-I", "-c", "import OpenSSL, ctypes; ctypes.CDLL('"+file+"')").Run() != nil {
		missing(t, "no pyOpenSSL or no %s SASL: apt-get install python3-openssl %s (.ci/clients-install installs all clients)", name, install)
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
	options, err := json.Marshal(map[string]any{"library": name, "host": host, "port": portNumber, "ca": certificates(t).ca, "user": anna, "ways": ways})
	if err != nil {
		t.Fatal(err)
	}
	script := write(t, filepath.Join(t.TempDir(), "sasl_client.py"), saslClient)
	cmd := command(within(t, 2*time.Minute), t.TempDir(), python, "-I", "-X", "utf8", script)
	cmd.Stdin = bytes.NewReader(options)
	var answers []string

	if err := json.Unmarshal(run(t, cmd).stdout, &answers); err != nil {
		t.Fatal(err)
	}
	if len(answers) != len(ways) {
		t.Fatalf("%d answers to %d logins: %q", len(answers), len(ways), answers)
	}
	for i, way := range ways {
		if answers[i] != way.want {
			t.Errorf("%+v: %q", way, answers[i])
		} else if way.want == welcome {
			m.awaitLogin(t, anna, way.Mechanism)
		}
	}
}

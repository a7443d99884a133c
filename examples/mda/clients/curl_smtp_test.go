package clients

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestCurlSMTP sends with curl, all messages in one session.
func TestCurlSMTP(t *testing.T) {
	need(t, "curl", "curl")
	t.Parallel()
	m := start(t, memory, octetFlags...)
	for _, way := range []struct {
		way
		args []string
	}{
		{way{"SMTP", anna, m, m.smtp}, nil},
		{way{"SMTP+STARTTLS", bert, m, m.smtp}, []string{"--ssl-reqd"}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			sent := way.messages("curl-smtp")
			dir := t.TempDir()
			for i, m := range sent {
				write(t, filepath.Join(dir, strconv.Itoa(i+1)), string(m.sent))
			}
			url := "smtp://" + host + ":" + port(way.address) + "/client.example"
			send := func(to, files string, codes ...int) output {
				t.Helper()
				return curl(t, codes, way.user, append(way.args, "-u", "", url, "--mail-from", from, "--mail-rcpt", to+"@corpus.example", "-T", files)...)
			}
			send(way.user, filepath.Join(dir, fmt.Sprintf("[1-%d]", len(sent))))
			way.arrives(t, sent, len(sent))

			const sendError = 55
			if out := send("nobody", filepath.Join(dir, "1"), sendError); !strings.Contains(string(out.stderr), "550") {
				t.Errorf("%s", out.stderr)
			}
		})
	}
}

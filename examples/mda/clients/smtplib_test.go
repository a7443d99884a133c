package clients

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

//go:embed testdata/smtplib_client.py
var smtplibClient string

// TestSmtplib sends with Python's smtplib: over TCP by SMTP and LMTP, and over a
// Unix socket by LMTP.
func TestSmtplib(t *testing.T) {
	python := need(t, "python3", "python3")
	t.Parallel()
	for _, way := range allWays(t) {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			sent := way.messages("smtplib")
			texts := make([][]byte, len(sent))
			for i, m := range sent {
				texts[i] = m.sent
			}
			options, err := json.Marshal(map[string]any{
				"way": way.name, "server": cmp.Or(way.socket(), way.address), "ca": certificates(t).ca,
				"from": from, "to": way.user + "@corpus.example", "messages": texts,
			})
			if err != nil {
				t.Fatal(err)
			}
			script := write(t, filepath.Join(t.TempDir(), "smtplib_client.py"), smtplibClient)
			cmd := command(within(t, 2*time.Minute), t.TempDir(), python, "-I", "-X", "utf8", script)
			cmd.Stdin = bytes.NewReader(options)
			run(t, cmd)
			way.arrives(t, formed(sent, smtplibForm), len(sent))
		})
	}
}

// smtplibForm is what smtplib sends of a message: it doubles a dot after a bare
// LF too, where that is content.
func smtplibForm(m message) []byte {
	if m.name == "bare-lf-by-data" {
		text := bytes.ReplaceAll(m.sent, []byte("\n."), []byte("\n.."))
		return bytes.ReplaceAll(text, []byte("\r\n.."), []byte("\r\n."))
	}
	return m.sent
}

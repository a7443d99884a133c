package mailbox_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

const secret = "s3cr3t"

func login() mailbox.Login {
	return mailbox.Login{
		User: "bob@example.org", Mechanism: "PLAIN", AuthorizationID: "alice",
		Password: secret + "-password", Token: secret + "-token",
		Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4711}, TLS: &tls.ConnectionState{},
	}
}

func TestAPrintedLoginShowsNoSecret(t *testing.T) {
	l := login()
	for _, value := range []any{l, &l, []mailbox.Login{l}, map[string]mailbox.Login{"x": l}, struct{ Login mailbox.Login }{l}, struct{ mailbox.Login }{l}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%10.3v", "%!", "%z"} {
			require.NotContains(t, fmt.Sprintf(verb, value), secret, verb)
		}
		require.NotContains(t, fmt.Sprint(value), secret)
		require.NotContains(t, fmt.Sprintln(value), secret)
		require.NotContains(t, fmt.Errorf("refused: %v", value).Error(), secret)
	}
	require.Equal(t, `user="bob@example.org" mechanism=PLAIN remote=192.0.2.1:4711 tls=true`, fmt.Sprint(l))
	require.Equal(t, `user="" mechanism= remote=- tls=false`, mailbox.Login{}.String())
	require.NotContains(t, l.GoString(), secret)
}

func TestALoggedLoginShowsNoSecret(t *testing.T) {
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			l := login()
			log := slog.New(handler(&out)).With("with", l)
			log.Info("login", "login", l, "pointer", &l, "list", []mailbox.Login{l},
				slog.Group("group", "login", l), "inside", struct{ Login mailbox.Login }{l})
			require.NotContains(t, out.String(), secret)
			require.Contains(t, out.String(), "bob@example.org")
			require.Contains(t, out.String(), "192.0.2.1:4711")

			out.Reset()
			slog.New(handler(&out)).Info("login", "login", mailbox.Login{User: "bob"}) // without a peer
			require.Contains(t, out.String(), "bob")
			require.NotContains(t, out.String(), "PANIC")
		})
	}
}

func TestAnEncodedLoginShowsNoSecret(t *testing.T) {
	l := login()
	for _, value := range []any{l, &l, []mailbox.Login{l}, struct{ Login mailbox.Login }{l}} {
		out, err := json.Marshal(value)
		require.NoError(t, err)
		require.NotContains(t, string(out), secret)
		require.Contains(t, string(out), "bob@example.org")
	}
	out, err := xml.Marshal(l)
	require.NoError(t, err)
	require.NotContains(t, string(out), secret)
}

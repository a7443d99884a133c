package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"
)

// TestGoMail sends with wneessen/go-mail, all messages in one session. The
// messages are go-mail's own, too.
func TestGoMail(t *testing.T) {
	t.Parallel()
	tcp := start(t, memory, octetFlags...)
	unix := start(t, memory, append(octetFlags, "-smtp", "unix:"+filepath.Join(publicDir(t), "smtp"))...)
	for _, way := range []struct {
		name string
		way
	}{
		{"TCP", way{"SMTP", anna, tcp, tcp.smtp}},
		{"STARTTLS", way{"SMTP+STARTTLS", bert, tcp, tcp.smtp}},
		{"Unix socket", way{"SMTP", anna, unix, unix.smtp}},
	} {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t, time.Minute)
			client := goMailClient(t, way.way)
			var messages []*mail.Msg
			var sent []message
			for _, build := range goMails {
				m := goMail(t, way.user)
				build(m)
				var text bytes.Buffer
				if _, err := m.WriteTo(&text); err != nil {
					t.Fatal(err)
				}
				messages = append(messages, m)
				sent = append(sent, message{name: m.GetGenHeader("Subject")[0], id: messageID(text.Bytes()), sent: text.Bytes()})
			}
			if err := client.DialAndSendWithContext(ctx, messages...); err != nil {
				t.Fatal(err)
			}
			way.arrives(t, sent, len(sent))

			var refused *mail.SendError
			err := client.DialAndSendWithContext(ctx, goMail(t, "nobody"))
			if !errors.As(err, &refused) || refused.ErrorCode() != 550 || refused.EnhancedStatusCode() != "5.1.1" {
				t.Errorf("for nobody: %v", err)
			}
		})
	}
}

// goMailClient verifies the certificate.
func goMailClient(t *testing.T, way way) *mail.Client {
	t.Helper()
	options := []mail.Option{mail.WithHELO("client.example"), mail.WithTLSPolicy(mail.NoTLS), mail.WithTimeout(30 * time.Second)}
	if way.secured() {
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory),
			mail.WithTLSConfig(&tls.Config{RootCAs: certificates(t).pool, ServerName: host}))
	}
	if path := way.socket(); path != "" {
		options = append(options, mail.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}))
	} else {
		portNumber, err := strconv.Atoi(port(way.address))
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, mail.WithPort(portNumber))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// goMail is a message for a user, without a body.
func goMail(t *testing.T, user string) *mail.Msg {
	t.Helper()
	m := mail.NewMsg(mail.WithBoundary("cut"))
	if err := errors.Join(m.From(from), m.To(user+"@corpus.example")); err != nil {
		t.Fatal(err)
	}
	m.SetDate()
	m.SetMessageID()
	return m
}

// goMails give a message its rest.
var goMails = []func(m *mail.Msg){
	func(m *mail.Msg) {
		m.Subject("quoted-printable")
		m.SetBodyString(mail.TypeTextPlain, "Grüße\n.\n..\nFrom here\n")
	},
	func(m *mail.Msg) {
		m.Subject("8bit")
		m.SetEncoding(mail.NoEncoding)
		m.SetBodyString(mail.TypeTextPlain, "Grüße\r\n.\r\n..\r\n.a\r\n"+strings.Repeat("x", 1<<20)+"\r\n")
	},
	func(m *mail.Msg) {
		m.Subject("attachment")
		m.SetBodyString(mail.TypeTextPlain, "See attachment.\n")
		m.AttachReadSeeker("noise.bin", strings.NewReader(attachment()))
	},
}

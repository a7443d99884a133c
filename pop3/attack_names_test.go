package pop3_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// bareLog is a slog.Handler that quotes nothing, as some of hosts do: each text
// of an attribute is an entry of its own.
type bareLog struct{ texts chan string }

func (l bareLog) Enabled(context.Context, slog.Level) bool { return true }
func (l bareLog) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l bareLog) WithGroup(string) slog.Handler            { return l }
func (l bareLog) Handle(_ context.Context, r slog.Record) error {
	l.texts <- r.Message
	r.Attrs(func(a slog.Attr) bool {
		l.attribute(a)
		return true
	})
	return nil
}

func (l bareLog) attribute(a slog.Attr) {
	if value := a.Value.Resolve(); value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			l.attribute(inner)
		}
	} else {
		l.texts <- fmt.Sprint(value.Any())
	}
}

// anyClient lets everybody in by every way, under the name that the client gave.
type anyClient struct{ show func(string) }

func (anyClient) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	return cmp.Or(login.AuthorizationID, login.User), nil
}

func (a anyClient) SharedSecret(_ context.Context, login mailbox.Login) (shared, user string, err error) {
	a.show(login.User)
	a.show(login.AuthorizationID)
	return "secret", cmp.Or(login.AuthorizationID, login.User), nil
}

func (anyClient) AuthenticateToken(_ context.Context, login mailbox.Login) (string, error) {
	return login.User, nil
}

func (anyClient) AuthenticateAnonymous(_ context.Context, login mailbox.Login) (string, error) {
	return login.User, nil
}

// Whatever a client or a proxy calls itself, no control character of it reaches a
// hook, a store, an answer, or a log, of which the next line could be forged.
func TestNoControlCharacterOfAClientIsShown(t *testing.T) {
	log := bareLog{make(chan string, 10_000)}
	store := newFakeStore()
	show := func(text string) { log.texts <- text }
	server := insecure(pop3.Login(anyClient{show}, store))
	server.Logger, server.MaxAuthTries, server.MaxBadCommands, server.XCLIENT = slog.New(log), -1, -1, loopback
	server.Hooks = &pop3.Hooks{
		Auth: func(_ context.Context, c *pop3.Conn, login mailbox.Login, err error) {
			show(login.User)
			show(login.AuthorizationID)
			show(c.User())
			show(fmt.Sprint(err))
		},
		Begin: func(_ context.Context, c *pop3.Conn, verb string) context.Context {
			show(verb)
			show(fmt.Sprint(c.RemoteAddr()))
			if said := c.Forwarded(); said != nil {
				show(said.Session)
			}
			return nil
		},
		Close: func(_ context.Context, c *pop3.Conn, info pop3.SessionInfo) {
			show(info.User)
			show(fmt.Sprint(info.Err))
		},
	}
	sasl := func(mechanism, response string) string {
		return "AUTH " + mechanism + "\r\n" + encoded(response) + "\r\n"
	}
	for what, said := range map[string]func(name string) string{
		"USER":        func(n string) string { return "USER " + n + "\r\nPASS x\r\n" },
		"APOP":        func(n string) string { return "APOP " + n + " c4c9334bac560ecc979e58001b3e22fb\r\n" },
		"PLAIN":       func(n string) string { return sasl("PLAIN", "\x00"+n+"\x00x") },
		"PLAIN, for":  func(n string) string { return sasl("PLAIN", n+"\x00mrose\x00x") },
		"LOGIN":       func(n string) string { return sasl("LOGIN", n) + encoded("x") + "\r\n" },
		"CRAM-MD5":    func(n string) string { return sasl("CRAM-MD5", n+" c4c9334bac560ecc979e58001b3e22fb") },
		"SCRAM":       func(n string) string { return sasl("SCRAM-SHA-256", "n,,n="+n+",r=abc") + "AAAA\r\n" },
		"SCRAM, for":  func(n string) string { return sasl("SCRAM-SHA-256", "n,a="+n+",n=mrose,r=abc") + "AAAA\r\n" },
		"a nonce":     func(n string) string { return sasl("SCRAM-SHA-256", "n,,n=mrose,r="+n) + "AAAA\r\n" },
		"a proof":     func(n string) string { return sasl("SCRAM-SHA-256", "n,,n=mrose,r=abc") + encoded(n) + "\r\n" },
		"OAUTHBEARER": func(n string) string { return sasl("OAUTHBEARER", "n,a="+n+",\x01auth=Bearer x\x01\x01") },
		"XOAUTH2":     func(n string) string { return sasl("XOAUTH2", "user="+n+"\x01auth=Bearer x\x01\x01") },
		"a token":     func(n string) string { return sasl("XOAUTH2", "user=mrose\x01auth=Bearer "+n+"\x01\x01") },
		"ANONYMOUS":   func(n string) string { return sasl("ANONYMOUS", n) },
		"a mechanism": func(n string) string { return "AUTH " + n + "\r\n" },
		"a verb":      func(n string) string { return n + "\r\n" },
		"LANG":        func(n string) string { return "LANG " + n + "\r\n" },
		"ADDR":        func(n string) string { return "XCLIENT ADDR=" + n + "\r\n" },
		"PORT":        func(n string) string { return "XCLIENT ADDR=192.0.2.7 PORT=" + n + "\r\n" },
		"SESSION":     func(n string) string { return "XCLIENT SESSION=" + n + "\r\n" },
		"TTL":         func(n string) string { return "XCLIENT TTL=" + n + "\r\n" },
		"an unknown":  func(n string) string { return "XCLIENT " + n + "=" + n + "\r\n" },
		"FORWARD": func(n string) string {
			return "XCLIENT FORWARD=" + base64.StdEncoding.EncodeToString([]byte(n)) + "\r\n"
		},
	} {
		t.Run(what, func(t *testing.T) {
			for _, name := range []string{
				"mrose\r\nlevel=INFO msg=forged", "mrose\nforged", "mrose\rforged", "\x1b[2Jmrose", "mrose\x00", "mro\tse", "mrose\x7f", "mrose\b", "mrose\u0085forged", "mro\u009bse",
			} {
				p := rawPipe(t, server, t.Context(), func(conn net.Conn) net.Conn { return from{conn, "127.0.0.1:1"} })
				go io.WriteString(p.conn, said(name)+strings.Repeat("\r\nQUIT", 3)+"\r\n") // an exchange may take one
				answers := p.rest(t)
				<-p.over
				requirePrintable(t, strings.ReplaceAll(answers, "\r\n", ""))
				for len(log.texts) > 0 {
					requirePrintable(t, <-log.texts)
				}
			}
		})
	}
	for _, login := range store.logins {
		requirePrintable(t, login.User)
		requirePrintable(t, login.AuthorizationID)
	}
}

func requirePrintable(t *testing.T, text string) {
	t.Helper()
	require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
}

// The same of what comes before a session: the header of a proxy, and the first
// message of TLS.
func TestNoControlCharacterComesBeforeASession(t *testing.T) {
	log := bareLog{make(chan string, 10_000)}
	rejected := make(chan string, 10)
	server := pop3test.NewUnstartedServer(t, newFakeHost("one"))
	server.Config.Logger = slog.New(log)
	server.Config.Hooks = &pop3.Hooks{Reject: func(_ context.Context, _ net.Conn, err error) { rejected <- err.Error() }}
	server.Start(t)
	config := server.ClientTLS()
	config.NextProtos = []string{"pop\r\nlevel=INFO msg=forged", "\x1b[2J"}
	config.ServerName = "forged\r\nname"
	conn, err := net.Dial("tcp", server.AddrTLS)
	require.NoError(t, err)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(pop3test.Patience))
	require.Error(t, tls.Client(conn, config).Handshake())
	server.Close(t)
	logged := 0
	for ; len(log.texts) > 0; logged++ {
		requirePrintable(t, <-log.texts)
	}
	require.Positive(t, logged)

	proxied, _ := newProxied(t, func(s *pop3.Server) {
		s.Proxies, s.Logger, s.Hooks = loopback, slog.New(log), server.Config.Hooks
	})
	for _, header := range []string{
		"PROXY TCP4 192.0.2.7\x1b[2J 198.51.100.1 4711 110\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 4711 110\nforged\r\n", "PROXY TCP4 192.0.2.7 198.51.100.1 47\t11 110\r\n",
		"PROXY TCP6 2001:db8::7%\x1b[2J 2001:db8::1 4711 110\r\n", "PROXY \x1b[2J\r\n", "\x1b[2J\r\n",
	} {
		conn, err := net.Dial("tcp", proxied.Addr)
		require.NoError(t, err)
		conn.SetDeadline(time.Now().Add(pop3test.Patience))
		io.WriteString(conn, header)
		io.Copy(io.Discard, conn)
		conn.Close()
		requirePrintable(t, <-rejected)
	}
	proxied.Close(t)
	for len(log.texts) > 0 {
		requirePrintable(t, <-log.texts)
	}
}

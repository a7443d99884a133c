package clients

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/popcask/popcask/mailbox"
	inmemory "github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// issuer gives out bearer tokens, and knows whose they are. Clients log in to it
// by one mechanism.
type issuer struct {
	mechanism string
	users     map[string]string // by token
}

// Authenticate implements [pop3.Authenticator]: nobody has a password.
func (i issuer) Authenticate(context.Context, mailbox.Login) (string, error) {
	return "", mailbox.ErrAuthFailed
}

// Offers implements [pop3.Selective].
func (i issuer) Offers(mechanism string) bool { return mechanism == i.mechanism }

// AuthenticateToken implements [pop3.Tokens].
func (i issuer) AuthenticateToken(_ context.Context, login mailbox.Login) (string, error) {
	if user, ok := i.users[login.Token]; ok && user == login.User {
		return user, nil
	}
	return "", &pop3.TokenError{Scope: "mail", OpenIDConfiguration: "https://id.example/"}
}

// tokenFaults are what a client hears of a token that the issuer does not know
// (RFC 7628 section 3.2.2).
var tokenFaults = map[string]string{
	"OAUTHBEARER": `{"status":"invalid_token","scope":"mail","openid-configuration":"https://id.example/"}`,
	"XOAUTH2":     `{"status":"401","schemes":"bearer","scope":"mail"}`,
}

// tokenLengths are those of a token that means something to its issuer only,
// and of one with many claims in it, in octets.
var tokenLengths = []int{100, 12 << 10}

// token returns a token, and one that differs from it in the last octet that is
// no padding.
func token(length int) (right, wrong string) {
	const octets = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
	text := strings.Repeat(octets, length/len(octets)+1)[:length-3]
	return text + "A==", text + "B=="
}

// startTokens starts a server where anna has messages, and a token of each
// length. The MDA knows no tokens: this is what a host has that does.
func startTokens(t *testing.T, mechanism string, sent []message) *mda {
	t.Helper()
	certs := certificates(t)
	certificate, err := tls.LoadX509KeyPair(certs.cert, certs.key)
	if err != nil {
		t.Fatal(err)
	}
	store, host := new(inmemory.Store), issuer{mechanism, make(map[string]string)}
	for _, length := range tokenLengths {
		right, _ := token(length)
		host.users[right] = anna
	}
	for _, m := range sent {
		if _, err := mailbox.Deliver(t.Context(), store, mailbox.To(anna), bytes.NewReader(m.sent)); err != nil {
			t.Fatal(err)
		}
	}
	m := &mda{stderr: new(record)}
	server := pop3test.NewUnstartedServer(t, pop3.Login(host, store))
	server.Config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.Config.AllowInsecureAuth = false
	server.Config.Logger = slog.New(slog.NewTextHandler(m.stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server.Start(t)
	m.pop3, m.pop3s = server.Addr, server.AddrTLS
	return m
}

// TestCurlTokens logs in by OAUTHBEARER (RFC 7628) and XOAUTH2, with an initial
// response and without. The server offers only one of them: curl takes
// OAUTHBEARER if it can, whatever its options say.
func TestCurlTokens(t *testing.T) {
	need(t, "curl", "curl")
	t.Parallel()
	sent := many(20, "tokens")
	for mechanism, fault := range tokenFaults {
		for _, length := range tokenLengths {
			for _, initial := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d octets/initial response %t", mechanism, length, initial), func(t *testing.T) {
					t.Parallel()
					m := startTokens(t, mechanism, sent)
					secure, plain := "pop3s://"+host+":"+port(m.pop3s)+"/", "pop3://"+host+":"+port(m.pop3)+"/"
					right, wrong := token(length)
					args := []string{"-v", "--ssl-reqd", "--login-options", "AUTH=" + mechanism, "-u", anna + ":"}
					command := "\n> AUTH " + mechanism + "\r\n"
					if initial {
						args = append(args, "--sasl-ir")
					}
					if initial && length == tokenLengths[0] { // RFC 5034 section 4: it has no room in 255 octets
						command = "\n> AUTH " + mechanism + " "
					}
					args = append(args, "--oauth2-bearer")
					for _, url := range []string{secure, plain} {
						same(t, curlAll(t, len(sent), anna, url, append(args, right)...), sent, nil)
					}
					m.awaitSession(t, fmt.Sprintf("user=%s mechanism=%s tls=true reason=quit .* retr=%d ", anna, mechanism, len(sent)))

					const denied = 67 // CURLE_LOGIN_DENIED
					out := curl(t, []int{denied}, anna, append(args, wrong, secure)...)
					lines := []string{command, "\n< + " + base64.StdEncoding.EncodeToString([]byte(fault)) + "\r\n"}
					if mechanism == "OAUTHBEARER" { // section 3.2.3; after XOAUTH2's, curl hangs up
						lines = append(lines, "\n> AQ==\r\n", "\n< -ERR [AUTH] authentication failed\r\n")
					}
					inOrder(t, string(out.stderr), lines...)
					m.awaitRefused(t, anna, mechanism)
				})
			}
		}
	}
}

// inOrder fails the test unless text has all parts, one after the other. The
// line end of one may be the one that the next begins with.
func inOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		at := strings.Index(rest, part)
		if at < 0 {
			t.Fatalf("no %q where it should be:\n%s", part, text)
		}
		rest = rest[at+len(part)-1:]
	}
}

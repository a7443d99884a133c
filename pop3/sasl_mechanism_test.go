package pop3_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/internal/testcert"
	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// allWays is an authenticator for every mechanism. It notes the logins that it
// is asked about.
type allWays struct {
	pop3.SharedSecrets
	asked []mailbox.Login
	err   error // instead of an answer
	off   []string
}

func newAllWays() *allWays {
	return &allWays{SharedSecrets: pop3.Users{"mrose": "secret"}.SharedSecrets()}
}

func (a *allWays) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	a.asked = append(a.asked, login)
	return a.SharedSecrets.Authenticate(ctx, login)
}

func (a *allWays) AuthenticateToken(_ context.Context, login mailbox.Login) (string, error) {
	a.asked = append(a.asked, login)
	if a.err != nil {
		return "", a.err
	}
	if user, ok := strings.CutPrefix(login.Token, "token-of-"); ok {
		return strings.TrimRight(user, "="), nil
	}
	return "", fmt.Errorf("unknown token: %w", mailbox.ErrAuthFailed)
}

func (a *allWays) AuthenticateCertificate(_ context.Context, login mailbox.Login) (string, error) {
	a.asked = append(a.asked, login)
	return login.TLS.VerifiedChains[0][0].Subject.CommonName, nil
}

func (a *allWays) AuthenticateAnonymous(_ context.Context, login mailbox.Login) (string, error) {
	a.asked = append(a.asked, login)
	return "public", nil
}

func (a *allWays) Offers(mechanism string) bool {
	for _, off := range a.off {
		if off == mechanism {
			return false
		}
	}
	return true
}

// capability returns what follows a keyword in the list of capabilities.
func capability(t testing.TB, client *pop3test.Client, keyword string) string {
	t.Helper()
	client.Command("CAPA")
	for line := range strings.SplitSeq(string(client.Body()), "\r\n") {
		if rest, ok := strings.CutPrefix(line+" ", keyword+" "); ok {
			return strings.TrimSuffix(rest, " ")
		}
	}
	return "(no " + keyword + ")"
}

func TestMechanismsThatAreOffered(t *testing.T) {
	start := func(host *allWays) *pop3test.Server {
		server := pop3test.NewUnstartedServer(t, pop3.Login(host, new(memory.Store)))
		server.Config.AllowInsecureAuth = false
		server.Start(t)
		return server
	}
	server := start(newAllWays())
	require.Equal(t, "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 ANONYMOUS", capability(t, server.Dial(t), "SASL"))
	require.Equal(t, "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS",
		capability(t, server.DialTLS(t), "SASL"))
	require.Contains(t, server.Dial(t).Greeting, "@", "the timestamp of APOP")
	for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"} { // RFC 7628 section 3: "TLS MUST be used for OAUTHBEARER"
		require.Contains(t, server.Dial(t).Command("AUTH "+mechanism+" AAAA"), "-ERR no passwords without TLS", mechanism)
	}

	host := newAllWays()
	host.off = []string{"SCRAM-SHA-1", "PLAIN", "XOAUTH2", "APOP", "USER"}
	server = start(host)
	secure := server.DialTLS(t)
	require.Equal(t, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 OAUTHBEARER CRAM-MD5 LOGIN ANONYMOUS", capability(t, secure, "SASL"))
	require.Equal(t, "(no USER)", capability(t, secure, "USER"))
	require.Equal(t, "-ERR no such mechanism", secure.Command("AUTH PLAIN"))
	require.Equal(t, "-ERR no such mechanism", secure.Command("AUTH SCRAM-SHA-1-PLUS"))
	require.NotContains(t, secure.Greeting, "@")
	require.Equal(t, "-ERR no logins by USER and PASS here", secure.Command("USER mrose"))
	require.Equal(t, "-ERR USER first", secure.Command("PASS secret"))
}

// RFC 4616 section 2: an empty password proves nothing, and no authenticator is
// asked about one.
func TestAnEmptyPasswordReachesNoAuthenticator(t *testing.T) {
	host := pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) {
		t.Error("asked")
		return "mrose", nil
	})
	server := insecure(pop3.Login(host, new(memory.Store)))
	server.MaxAuthTries = -1
	client := pipe(t, server)
	client.Command("USER mrose")
	require.Equal(t, authAnswer, client.Command("PASS "))
	require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00mrose\x00"))))
	client.Command("AUTH LOGIN")
	client.Command(base64.StdEncoding.EncodeToString([]byte("mrose")))
	require.Equal(t, authAnswer, client.Command(""))
}

// LOGIN is in no RFC: clients send the name after a challenge, or at once.
func TestLOGIN(t *testing.T) {
	host := newAllWays()
	server := insecure(pop3.Login(host, new(memory.Store)))
	server.MaxAuthTries = -1
	client := pipe(t, server)
	require.Equal(t, "+ VXNlcm5hbWU6", client.Command("AUTH LOGIN"))
	require.Equal(t, "+ UGFzc3dvcmQ6", client.Command("bXJvc2U="))
	require.Equal(t, authAnswer, client.Command("AAAA"))
	require.Equal(t, "+ VXNlcm5hbWU6", client.Command("AUTH LOGIN"))
	require.Equal(t, authAnswer, client.Command(""), "no name")
	require.Equal(t, "+ VXNlcm5hbWU6", client.Command("AUTH LOGIN"))
	require.Equal(t, authAnswer, client.Command("AAAA"), "control characters")
	require.Equal(t, "+ UGFzc3dvcmQ6", client.Command("AUTH LOGIN bXJvc2U="))
	require.Equal(t, emptyMaildrop, client.Command("c2VjcmV0"))
	require.Equal(t, "mrose", host.asked[len(host.asked)-1].User)
}

// RFC 2195.
func TestCRAMMD5(t *testing.T) {
	server := &pop3.Server{Handler: pop3.Login(newAllWays(), new(memory.Store)), MaxAuthTries: -1, Brake: pop3.NoBrake}
	client := pipe(t, server)
	respond := func(secret, format string) string {
		challenge, ok := challengeOf(t, client.Command("AUTH CRAM-MD5"))
		require.True(t, ok)
		require.Regexp(t, `^<[^<>\s]+@[^<>\s]+>$`, challenge)
		sum := hmac.New(md5.New, []byte(secret))
		sum.Write([]byte(challenge))
		status, _ := answer(t, client.Client, fmt.Sprintf(format, hex.EncodeToString(sum.Sum(nil))))
		return status
	}
	for _, wrong := range [][2]string{
		{"Secret", "mrose %s"}, {"", "mrose %s"}, {"secret", "nobody %s"}, {"", "nobody %s"},
		{"secret", "%s"}, {"secret", "mrose %.8s"}, {"secret", "mrose"}, {"secret", " %s"}, {"secret", "m\x01rose %s"}, {"secret", "%[2]s"},
	} {
		require.Equal(t, authAnswer, respond(wrong[0], wrong[1]), "%q", wrong)
	}
	recorded := client.Command("AUTH CRAM-MD5")
	require.NotEqual(t, recorded, func() string { client.Command("*"); return client.Command("AUTH CRAM-MD5") }(), "the same challenge twice")
	client.Command("*")
	require.Equal(t, authAnswer, client.Command("AUTH CRAM-MD5 bXJvc2UgMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA="), "before the challenge")
	require.Equal(t, emptyMaildrop, respond("secret", "mrose %s"))
}

// RFC 2195 section 2 has an example.
func TestCRAMMD5Example(t *testing.T) {
	sum := hmac.New(md5.New, []byte("tanstaaftanstaaf"))
	sum.Write([]byte("<1896.697170952@postoffice.reston.mci.net>"))
	require.Equal(t, "b913a602c7eda7a495b4e6e7334d3890", hex.EncodeToString(sum.Sum(nil)))
}

// RFC 7628: the name, and a token of any length. "Unknown key/value pairs MUST be
// ignored by the server" (section 3.1).
func TestTokens(t *testing.T) {
	for _, length := range []int{0, 100, 12 << 10} {
		token := "token-of-mrose" + strings.Repeat("=", length)
		for name, test := range map[string]struct{ mechanism, response, user string }{
			"OAUTHBEARER":               {"OAUTHBEARER", "n,a=mrose,\x01host=h\x01port=110\x01auth=Bearer " + token + "\x01\x01", "mrose"},
			"OAUTHBEARER without name":  {"OAUTHBEARER", "n,,\x01auth=Bearer " + token + "\x01\x01", ""},
			"OAUTHBEARER with more":     {"OAUTHBEARER", "n,a=mrose,\x01x=y\x01mthd=GET\x01path=/\x01post=\x01qs=a=b\x01authx=no\x01auth=Bearer " + token + "\x01z=\x01\x01", "mrose"},
			"OAUTHBEARER that can bind": {"OAUTHBEARER", "y,a=m=2Crose=3D,\x01auth=bearer " + token + "\x01\x01", "m,rose="},
			"XOAUTH2":                   {"XOAUTH2", "user=mrose\x01auth=Bearer " + token + "\x01\x01", "mrose"},
		} {
			t.Run(fmt.Sprint(name, length), func(t *testing.T) {
				for _, initial := range []bool{true, false} {
					host := newAllWays()
					client := pipe(t, insecure(pop3.Login(host, new(memory.Store))))
					text := base64.StdEncoding.EncodeToString([]byte(test.response))
					if initial {
						require.Equal(t, emptyMaildrop, client.Command("AUTH "+test.mechanism+" "+text))
					} else {
						require.Equal(t, "+ ", client.Command("AUTH "+test.mechanism))
						require.Equal(t, emptyMaildrop, client.Command(text))
					}
					require.Len(t, host.asked, 1)
					require.Equal(t, test.user, host.asked[0].User)
					require.Equal(t, token, host.asked[0].Token)
					require.Empty(t, host.asked[0].AuthorizationID)
				}
			})
		}
	}
}

func TestMalformedTokens(t *testing.T) {
	host := newAllWays()
	server := insecure(pop3.Login(host, new(memory.Store)))
	server.MaxAuthTries = -1
	client := pipe(t, server)
	for mechanism, responses := range map[string][]string{
		"OAUTHBEARER": {
			"", "\x01", "n,,", "n,,\x01\x01", "n,,\x01auth=Bearer x", "n,,\x01auth=Bearer x\x01", "n,,\x01auth=Bearer \x01\x01", "n,,\x01auth=Basic x\x01\x01",
			"n,a=m\x02,\x01auth=Bearer x\x01\x01", "n,a=m=,\x01auth=Bearer x\x01\x01", "n,a=a,b,\x01auth=Bearer x\x01\x01", "n,b=m,\x01auth=Bearer x\x01\x01",
			"p=tls-exporter,,\x01auth=Bearer x\x01\x01", "n\x01auth=Bearer x\x01\x01", "n,,\x01auth=Bearer x y\x01\x01", "n,,\x01auth=Bearer x\r\ny\x01\x01",
			"n,,\x01auth=Bearer \xc3\xa4\x01\x01", "user=m\x01auth=Bearer x\x01\x01",
		},
		"XOAUTH2": {"", "\x01", "user=m", "user=m\x01\x01", "user=m\x01auth=Bearer x\x01", "m\x01auth=Bearer x\x01\x01", "n,,\x01auth=Bearer x\x01\x01", "user=m\x02\x01auth=Bearer x\x01\x01"},
	} {
		for _, response := range responses {
			client.Command("AUTH " + mechanism)
			status, _ := answer(t, client.Client, response)
			require.Equal(t, authAnswer, status, "%q", response)
		}
	}
	require.Empty(t, host.asked)
}

// RFC 7628 section 3.2.2: what is wrong with a token is a challenge. Whatever
// the client answers, the login fails.
func TestTokensThatAreRefused(t *testing.T) {
	for mechanism, response := range map[string]string{
		"OAUTHBEARER": "n,a=mrose,\x01auth=Bearer wrong\x01\x01",
		"XOAUTH2":     "user=mrose\x01auth=Bearer wrong\x01\x01",
	} {
		for _, test := range []struct {
			err  error
			want map[string]string
		}{
			{nil, map[string]string{
				"OAUTHBEARER": `{"status":"invalid_token"}`,
				"XOAUTH2":     `{"status":"401","schemes":"bearer"}`,
			}},
			{&pop3.TokenError{Status: "insufficient_scope", Scope: "mail", OpenIDConfiguration: "https://example.org/"}, map[string]string{
				"OAUTHBEARER": `{"status":"insufficient_scope","scope":"mail","openid-configuration":"https://example.org/"}`,
				"XOAUTH2":     `{"status":"401","schemes":"bearer","scope":"mail"}`,
			}},
		} {
			for _, last := range []string{"AQ==", "", "AAAA", encoded(strings.NewReplacer("wrong", "token-of-evil", "mrose", "evil").Replace(response))} {
				host := newAllWays()
				host.err = test.err
				brake := new(recordingBrake)
				server := insecure(pop3.Login(host, new(memory.Store)))
				server.Brake = brake
				client := pipe(t, server)
				challenge, ok := challengeOf(t, client.Command("AUTH "+mechanism+" "+base64.StdEncoding.EncodeToString([]byte(response))))
				require.True(t, ok)
				require.JSONEq(t, test.want[mechanism], challenge)
				require.Equal(t, authAnswer, client.Command(last))
				require.Len(t, host.asked, 1)
				require.Equal(t, []string{"mrose"}, brake.began, "the brake knows the name")
				require.Equal(t, []string{"mrose false"}, brake.results, "and it stays")
			}
		}
	}
}

func TestTokensOfAHostThatFails(t *testing.T) {
	host := newAllWays()
	host.err = errors.New("the token server is away")
	client := pipe(t, insecure(pop3.Login(host, new(memory.Store))))
	require.Equal(t, temporaryAnswer, client.Command("AUTH XOAUTH2 "+base64.StdEncoding.EncodeToString([]byte("user=m\x01auth=Bearer x\x01\x01"))))
}

// RFC 4505: a text says who it may be.
func TestANONYMOUS(t *testing.T) {
	host := newAllWays()
	server := &pop3.Server{Handler: pop3.Login(host, new(memory.Store)), Brake: pop3.NoBrake}
	for _, trace := range []string{"sirhc", "", "an@example.org", strings.Repeat("ä", 255)} {
		client := pipe(t, server)
		require.Equal(t, "+ ", client.Command("AUTH ANONYMOUS"))
		status, _ := answer(t, client.Client, trace)
		require.Equal(t, emptyMaildrop, status)
		require.Equal(t, trace, host.asked[len(host.asked)-1].User)
	}
	for _, trace := range []string{"a\x00b", strings.Repeat("ä", 256), "\xff"} {
		client := pipe(t, server)
		client.Command("AUTH ANONYMOUS")
		status, _ := answer(t, client.Client, trace)
		require.Equal(t, authAnswer, status, "%q", trace)
	}
}

// RFC 4422 appendix A: the certificate proves who the client is. Only a client
// that has shown one is offered EXTERNAL.
func TestEXTERNAL(t *testing.T) {
	host := newAllWays()
	server := pop3test.NewUnstartedServer(t, pop3.Login(host, new(memory.Store)))
	mrose, err := testcert.NewFor("mrose")
	require.NoError(t, err)
	server.Config.TLSConfig.ClientAuth = tls.VerifyClientCertIfGiven
	server.Config.TLSConfig.ClientCAs = mrose.Roots
	server.Start(t)

	without := server.DialTLS(t)
	require.NotContains(t, capability(t, without, "SASL"), "EXTERNAL")
	require.Equal(t, "-ERR no such mechanism", without.Command("AUTH EXTERNAL ="))

	dial := func() *pop3test.Client {
		config := server.ClientTLS()
		config.Certificates = []tls.Certificate{mrose.Server}
		conn, err := tls.Dial("tcp", server.AddrTLS, config)
		require.NoError(t, err)
		return pop3test.NewClient(t, conn)
	}
	client := dial()
	require.Contains(t, capability(t, client, "SASL"), "EXTERNAL")
	require.Equal(t, authAnswer, client.Command("AUTH EXTERNAL "+base64.StdEncoding.EncodeToString([]byte("other"))))
	require.Equal(t, authAnswer, client.Command("AUTH EXTERNAL AAAA"))
	require.Equal(t, emptyMaildrop, client.Command("AUTH EXTERNAL ="))
	client = dial()
	require.Equal(t, "+ ", client.Command("AUTH EXTERNAL"))
	require.Equal(t, emptyMaildrop, client.Command("bXJvc2U="), "as itself")
}

// RFC 8314 section 3.1 and RFC 2595 section 4: a client with a certificate is in the
// AUTHORIZATION state after the greeting and after STLS. A server whose host does
// not ask for certificates asks for none (RFC 8314 section 4.2).
func TestACertificateAloneLogsNobodyIn(t *testing.T) {
	mrose, err := testcert.NewFor("mrose")
	require.NoError(t, err)
	eachTLS(t, func(t *testing.T, implicit bool) {
		for _, asks := range []bool{true, false} {
			host := newAllWays()
			server := pop3test.NewUnstartedServer(t, pop3.Login(host, new(memory.Store)))
			if asks {
				server.Config.TLSConfig.ClientAuth = tls.RequireAndVerifyClientCert
				server.Config.TLSConfig.ClientCAs = mrose.Roots
			}
			server.Start(t)
			asked := false
			config := server.ClientTLS()
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				asked = true
				return &mrose.Server, nil
			}
			conn, err := shake(t, server, implicit, config)
			require.NoError(t, err)
			var behind net.Conn = conn
			if !implicit {
				behind = &greetedBefore{conn, strings.NewReader("+OK\r\n")}
			}
			client := pop3test.NewClient(t, behind)
			require.Equal(t, "-ERR log in first", client.Command("STAT"))
			require.Equal(t, asks, asked)
			require.Empty(t, host.asked)
			if asks {
				require.Equal(t, emptyMaildrop, client.Command("AUTH EXTERNAL ="))
			}
		}
	})
}

// A server of another library, among them one that panics on an empty line after
// its error.
func TestMechanismsOfAnotherLibrary(t *testing.T) {
	plain := pop3.NewMechanism("PLAIN", func(_ context.Context, proven *mailbox.Login) (pop3.SASLServer, error) {
		return sasl.NewPlainServer(func(identity, user, password string) error {
			if user == "away" {
				return mailbox.ErrTemporary
			}
			if password != "secret" {
				return errors.New("wrong password")
			}
			proven.User, proven.AuthorizationID = user, identity
			return nil
		}), nil
	})
	bearer := pop3.NewMechanism("OAUTHBEARER", func(_ context.Context, proven *mailbox.Login) (pop3.SASLServer, error) {
		return sasl.NewOAuthBearerServer(func(options sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if options.Token != "right" {
				return &sasl.OAuthBearerError{Status: "invalid_token"}
			}
			proven.User = options.Username
			return nil
		}), nil
	})
	proofless := pop3.NewMechanism("NOTHING", func(context.Context, *mailbox.Login) (pop3.SASLServer, error) {
		return sasl.NewAnonymousServer(func(string) error { return nil }), nil
	})
	nobody := pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) { return "", mailbox.ErrAuthFailed })
	server := insecure(pop3.Login(nobody, new(memory.Store), pop3.WithMechanism(bearer), pop3.WithMechanism(plain), pop3.WithMechanism(proofless)))
	server.MaxAuthTries = -1
	client := pipe(t, server)
	require.Equal(t, "OAUTHBEARER PLAIN NOTHING LOGIN", capability(t, client.Client, "SASL"))

	text := base64.StdEncoding.EncodeToString
	require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+text([]byte("\x00mrose\x00wrong"))))
	require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+text([]byte("mrose"))))
	require.Equal(t, temporaryAnswer, client.Command("AUTH PLAIN "+text([]byte("\x00away\x00secret"))))
	require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+text([]byte("other\x00mrose\x00secret"))))
	require.Equal(t, authAnswer, client.Command("AUTH NOTHING "+text([]byte("x"))))
	for _, last := range []string{"", "AQ==", "AAAA"} {
		client.Command("AUTH OAUTHBEARER " + text([]byte("n,a=mrose,\x01auth=Bearer wrong\x01\x01")))
		require.Equal(t, authAnswer, client.Command(last))
	}
	require.Equal(t, emptyMaildrop, client.Command("AUTH OAUTHBEARER "+text([]byte("n,a=mrose,\x01auth=Bearer right\x01\x01"))))
}

package pop3_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

// FuzzMechanisms lets a client say anything in the place of each response of a
// mechanism, or of APOP. It may write what only one who has the secret can
// know: {nonce}, {proof} and {digest} become what they should be or, if the
// client is wrong, what follows from another secret.
//
// The client is let in if and only if a slow reading of the RFC says so, as the
// user that it proved to be; and the session goes on.
func FuzzMechanisms(f *testing.F) {
	for _, seed := range [][3]string{
		{"APOP", "demo {digest}"}, {"APOP", " d emo  {digest} "}, {"APOP", "{digest}"},
		{"CRAM-MD5", "demo {digest}"}, {"CRAM-MD5", "DEMO  {digest}"}, {"CRAM-MD5", "demo {digest} "}, {"CRAM-MD5", "demo\x00 {digest}"},
		{"LOGIN", "demo", "secret"}, {"LOGIN", "demo", ""}, {"LOGIN", "m\x00", "secret"}, {"LOGIN", strings.Repeat("x", 2049), "secret"},
		{"ANONYMOUS", "sirhc"}, {"ANONYMOUS", strings.Repeat("ä", 256)}, {"ANONYMOUS", "\xff"}, {"ANONYMOUS", "a\x7f"},
		{"EXTERNAL", ""}, {"EXTERNAL", "demo"}, {"EXTERNAL", "other"}, {"EXTERNAL", "demo\n"},
		{"XOAUTH2", "user=x\x01auth=Bearer token\x01\x01"}, {"XOAUTH2", "user=demo\x01auth=Bearer other\x01\x01", "\x01"},
		{"OAUTHBEARER", "y,,\x01auth=Bearer token\x01\x01"}, {"OAUTHBEARER", "n,a=demo=,\x01auth=Bearer token\x01\x01"}, {"EXTERNAL", "demo\x00"},
		{"SCRAM-SHA-256-PLUS", "n,,n=demo,r=abc", "c=biws,r={nonce},p={proof}"}, {"SCRAM-SHA-256", "p=tls-unique,,n=demo,r=abc", "c=cD10bHMtdW5pcXVlLCx1bmlxdWU=,r={nonce},p={proof}"},
		{"SCRAM-SHA-256", "n,a=other,n=demo,r=abc", "c=bixhPW90aGVyLA==,r={nonce},p={proof}"},
		{"OAUTHBEARER", "n,a=de=2Cmo,\x01host=h\x01auth=bearer  token\x01\x01"}, {"OAUTHBEARER", "y,,\x01auth=x\x01auth=Bearer token\x01\x01"},
		{"SCRAM-SHA-256", "n,,n=demo,r=abc", "c=biws,r={nonce},p={proof}"}, {"SCRAM-SHA-1", "y,a=demo,n=demo,r=abc", "c=eSxhPWRlbW8s,r={nonce},x=y,p={proof}"},
		{"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=demo,r=abc", "c=cD10bHMtdW5pcXVlLCx1bmlxdWU=,r={nonce},p={proof}"},
		{"SCRAM-SHA-256", "n,,n=de=2Cmo,r=", "c=biws,r={nonce},p={proof}"}, {"SCRAM-SHA-1", "n,a==,m=x,n=demo,r=abc", "p={proof}"},
	} {
		name := uint8(0)
		for fuzzedMechanisms[name] != seed[0] {
			name++
		}
		f.Add(name, true, false, false, seed[1], seed[2])
		f.Add(name, false, true, false, seed[1], seed[2])
		f.Add(name, false, false, true, seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, name uint8, initial, secure, wrong bool, first, second string) {
		client := &prover{mechanism: fuzzedMechanisms[int(name)%len(fuzzedMechanisms)], initial: initial && first != "", secret: "secret", rest: []string{first, second}}
		if wrong {
			client.secret = "Secret"
		}
		if len(first)+len(second) > 10000 || client.mechanism == "APOP" && (strings.ContainsAny(first, "\r\n") || len(first) > 1000) {
			t.Skip("more than one line, or too long a one")
		}
		var conn net.Conn = client
		if secure {
			conn = certified{client}
		}
		store, watch := new(openings), &watcher{t: t}
		server := insecure(pop3.Login(provable{demo}, store))
		server.Hooks = watch.hooks()
		server.ServeConn(t.Context(), conn)

		said, output := client.said.String(), client.out.String()
		watch.check([]byte(said), output)
		require.True(t, strings.HasSuffix(output, "+OK bye\r\n"), "the session does not go on: %q", output)
		want := client.proves(first, second, secure)
		if want == "" {
			require.Empty(t, store.users, "%q: %q", said, output)
			return
		}
		require.Equal(t, []string{want}, store.users, "%q: %q", said, output)
	})
}

var fuzzedMechanisms = []string{
	"APOP", "CRAM-MD5", "LOGIN", "ANONYMOUS", "EXTERNAL", "XOAUTH2", "OAUTHBEARER",
	"SCRAM-SHA-256", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS",
}

// provable is an authenticator for every mechanism, whose one user is demo.
type provable struct{ pop3.SharedSecrets }

func (provable) SCRAMSecret(_ context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	if user, err := mailbox.CanonicalUser(login.User); err != nil || user != "demo" {
		return secret.SCRAM{}, "", mailbox.ErrAuthFailed
	}
	return scramKeys["secret"][hash], "demo", nil
}

func (provable) AuthenticateToken(_ context.Context, login mailbox.Login) (string, error) {
	if login.Token != "token" {
		return "", &pop3.TokenError{Status: "invalid_token"}
	}
	return "demo", nil
}

func (provable) AuthenticateCertificate(_ context.Context, login mailbox.Login) (string, error) {
	return login.TLS.VerifiedChains[0][0].Subject.CommonName, nil
}

func (provable) AuthenticateAnonymous(context.Context, mailbox.Login) (string, error) {
	return "anonymous", nil
}

// openings is a store that notes whose mailboxes are opened.
type openings struct {
	memory.Store
	users []string
}

func (o *openings) Open(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	o.users = append(o.users, login.User)
	return o.Store.Open(ctx, login)
}

// certified is a connection with TLS, whose client has shown a certificate.
type certified struct{ *prover }

func (certified) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{
		HandshakeComplete: true,
		VerifiedChains:    [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "demo"}}}},
		TLSUnique:         []byte("unique"),
	}
}

func (certified) HandshakeContext(context.Context) error { return nil }

// The keys of two secrets, and what the client's proof is made of (RFC 5802
// section 3). SASLprep changes neither secret.
var (
	scramKeys  = map[string]map[crypto.Hash]secret.SCRAM{}
	clientKeys = map[string]map[crypto.Hash][]byte{}
)

func init() {
	for _, text := range []string{"secret", "Secret"} {
		scramKeys[text], clientKeys[text] = map[crypto.Hash]secret.SCRAM{}, map[crypto.Hash][]byte{}
		for _, hash := range []crypto.Hash{crypto.SHA256, crypto.SHA1} {
			salted, err := pbkdf2.Key(hash.New, text, []byte("salt"), 2, hash.Size())
			if err != nil {
				panic(err)
			}
			key := mac(hash, salted, "Client Key")
			stored := hash.New()
			stored.Write(key)
			scramKeys[text][hash] = secret.SCRAM{Hash: hash, Salt: []byte("salt"), Iterations: 2, StoredKey: stored.Sum(nil), ServerKey: mac(hash, salted, "Server Key")}
			clientKeys[text][hash] = key
		}
	}
}

func mac(hash crypto.Hash, key []byte, text string) []byte {
	sum := hmac.New(hash.New, key)
	sum.Write([]byte(text))
	return sum.Sum(nil)
}

// prover is a connection whose client logs in, asks for CAPA and then quits.
type prover struct {
	script
	mechanism string
	initial   bool
	secret    string
	rest      []string // responses that it has not sent yet
	sent      []string // those that it has
	challenge string   // the last one
	said      strings.Builder
	unread    string
	step      int
}

func (p *prover) Read(b []byte) (int, error) {
	if p.unread == "" {
		if p.unread = p.next(); p.unread == "" {
			return 0, io.EOF
		}
		p.said.WriteString(p.unread)
	}
	n := copy(b, p.unread)
	p.unread = p.unread[n:]
	return n, nil
}

// next is what the client says when it has read all that the server said.
func (p *prover) next() string {
	lines := strings.Split(p.out.String(), "\r\n")
	last := lines[len(lines)-2]
	if p.step == 1 && p.mechanism != "APOP" && strings.HasPrefix(last, "+ ") {
		octets, _ := base64.StdEncoding.DecodeString(last[2:])
		p.challenge = string(octets)
		if len(p.rest) == 0 || strings.HasPrefix(p.challenge, "v=") { // the server's proof
			return "\r\n" // nothing more: the server goes on if it thinks that it is done
		}
		return p.response() + "\r\n"
	}
	p.step++
	switch p.step {
	case 1:
		switch {
		case p.mechanism == "APOP":
			p.challenge = lines[0][strings.LastIndexByte(lines[0], '<'):]
			return "APOP " + p.filledIn(p.rest[0]) + "\r\n"
		case p.initial:
			return "AUTH " + p.mechanism + " " + p.response() + "\r\n"
		}
		return "AUTH " + p.mechanism + "\r\n"
	case 2:
		return "CAPA\r\n"
	case 3:
		return "QUIT\r\n"
	}
	return ""
}

// response takes the next response.
func (p *prover) response() string {
	text := p.filledIn(p.rest[0])
	p.rest, p.sent = p.rest[1:], append(p.sent, text)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// filledIn fills in what only one who has the secret knows.
func (p *prover) filledIn(text string) string {
	switch {
	case p.mechanism == "APOP":
		sum := md5.Sum([]byte(p.challenge + p.secret))
		return strings.ReplaceAll(text, "{digest}", hex.EncodeToString(sum[:]))
	case p.mechanism == "CRAM-MD5":
		return strings.ReplaceAll(text, "{digest}", hex.EncodeToString(mac(crypto.MD5, []byte(p.secret), p.challenge)))
	case !strings.HasPrefix(p.mechanism, "SCRAM") || len(p.sent) == 0:
		return text
	}
	text = strings.ReplaceAll(text, "{nonce}", p.nonce())
	before, found := strings.CutSuffix(text, ",p={proof}")
	first := strings.SplitN(p.sent[0], ",", 3)
	if !found || len(first) < 3 {
		return text
	}
	hash := crypto.SHA256
	if strings.HasPrefix(p.mechanism, "SCRAM-SHA-1") {
		hash = crypto.SHA1
	}
	proof := mac(hash, scramKeys[p.secret][hash].StoredKey, first[2]+","+p.challenge+","+before)
	for i := range proof {
		proof[i] ^= clientKeys[p.secret][hash][i]
	}
	return before + ",p=" + base64.StdEncoding.EncodeToString(proof)
}

// nonce is that of the server's first message.
func (p *prover) nonce() string {
	nonce, _, _ := strings.Cut(strings.TrimPrefix(p.challenge, "r="), ",s=")
	return nonce
}

var (
	apopForm   = regexp.MustCompile(`^(.*[^ ]) +\{digest\}$`)
	cramForm   = regexp.MustCompile(`(?s)^(.*[^ ]) +\{digest\}$`)
	oauthForm  = regexp.MustCompile(`^[ny],(a=([^=,]|=2C|=3D)*)?,$`)
	scramFirst = regexp.MustCompile(`(?s)^(n|y|p=tls-unique),(?:a=((?:[^=,]|=2C|=3D)*))?,n=((?:[^=,]|=2C|=3D)*),r=[^,]*(?:,.*)?$`)
	scramFinal = regexp.MustCompile(`(?s)^c=([^,]*),r=([^,]*)(?:,.*)?,p=\{proof\}$`)
	authPair   = regexp.MustCompile(`(?is)^auth(=.*)?$`)
	tokenPair  = regexp.MustCompile(`^(?i:auth=bearer) +token$`)
)

// proves reads the responses by the RFC, and returns as whom the client may log
// in: "" as nobody.
func (p *prover) proves(first, second string, secure bool) (user string) {
	right := p.secret == "secret"
	switch p.mechanism {
	case "APOP": // RFC 1939 section 7
		match := apopForm.FindStringSubmatch(strings.Trim(first, " "))
		return demoIf(match != nil && right && isDemo(match[1]))
	case "CRAM-MD5": // RFC 2195 section 2
		match := cramForm.FindStringSubmatch(first)
		return demoIf(match != nil && right && isDemo(match[1]) && !p.initial)
	case "LOGIN":
		return demoIf(isDemo(first) && second == "secret")
	case "ANONYMOUS": // RFC 4505 section 2
		if utf8.ValidString(first) && len([]rune(first)) <= 255 && !strings.ContainsFunc(first, unicode.IsControl) {
			return "anonymous"
		}
		return ""
	case "EXTERNAL": // RFC 4422 appendix A
		return demoIf(secure && (first == "" || strings.EqualFold(first, "demo")))
	case "XOAUTH2":
		name, pairs, _ := strings.Cut(first, "\x01")
		return demoIf(strings.HasPrefix(name, "user=") && noControl(name) && hasToken(pairs))
	case "OAUTHBEARER": // RFC 7628 section 3.1
		name, pairs, _ := strings.Cut(first, "\x01")
		return demoIf(oauthForm.MatchString(name) && noControl(name) && hasToken(pairs))
	}
	return demoIf(right && p.provesSCRAM(first, second, secure))
}

// provesSCRAM reads a client's messages by RFC 5802 section 7, with what is taken
// besides: an empty nonce, an empty authorization identity, extensions of any
// form at the ends.
func (p *prover) provesSCRAM(first, second string, secure bool) bool {
	header := scramFirst.FindStringSubmatch(first)
	final := scramFinal.FindStringSubmatch(second)
	if header == nil || final == nil || len(p.sent) < 2 {
		return false
	}
	gs2, _, _ := strings.Cut(first, "n="+header[3]+",r=")
	flag, plus := header[1], strings.HasSuffix(p.mechanism, "-PLUS")
	switch {
	case plus != (flag == "p=tls-unique"), plus && !secure, flag == "y" && secure:
		return false
	case plus:
		gs2 += "unique"
	}
	bound, err := base64.StdEncoding.DecodeString(final[1])
	name := strings.NewReplacer("=2C", ",", "=3D", "=")
	actsFor := name.Replace(header[2])
	return err == nil && string(bound) == gs2 && strings.ReplaceAll(final[2], "{nonce}", p.nonce()) == p.nonce() &&
		isDemo(name.Replace(header[3])) && (actsFor == "" || strings.EqualFold(actsFor, "demo"))
}

// hasToken reports whether the first pair that is about authorization has the
// right token.
func hasToken(pairs string) bool {
	parts := strings.Split(pairs, "\x01")
	if len(parts) < 3 || parts[len(parts)-1] != "" || parts[len(parts)-2] != "" {
		return false
	}
	for _, part := range parts {
		if authPair.MatchString(part) {
			return tokenPair.MatchString(part)
		}
	}
	return false
}

func isDemo(name string) bool {
	user, err := mailbox.CanonicalUser(name)
	return err == nil && user == "demo" && noControl(name)
}

func noControl(text string) bool { return !strings.ContainsFunc(text, unicode.IsControl) }

func demoIf(proven bool) string {
	if proven {
		return "demo"
	}
	return ""
}

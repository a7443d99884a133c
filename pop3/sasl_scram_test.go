package pop3_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// scramUsers are users whose SCRAM secrets the server has, and no passwords.
type scramUsers map[string]secret.SCRAM

func newSCRAMUsers(t testing.TB, hash crypto.Hash, passwords map[string]string) scramUsers {
	t.Helper()
	users := make(scramUsers)
	for name, password := range passwords {
		s, err := secret.NewSCRAM(hash, password, 0)
		require.NoError(t, err)
		users[name] = s
	}
	return users
}

func (u scramUsers) Authenticate(_ context.Context, login mailbox.Login) (string, error) {
	if s, known := u[login.User]; known && s.Fits(login.Password) {
		return login.User, nil
	}
	return "", mailbox.ErrAuthFailed
}

func (u scramUsers) SCRAMSecret(_ context.Context, login mailbox.Login, _ crypto.Hash) (secret.SCRAM, string, error) {
	s, known := u[login.User]
	if !known {
		return s, "", mailbox.ErrNoSuchUser
	}
	return s, login.User, nil
}

func (u scramUsers) Offers(mechanism string) bool {
	for _, s := range u {
		switch mechanism {
		case "SCRAM-SHA-1":
			return s.Hash == crypto.SHA1
		case "SCRAM-SHA-256":
			return s.Hash == crypto.SHA256
		}
	}
	return true
}

// answer sends an octet string in base64, and returns the server's answer: a
// challenge, decoded, or the status line.
func answer(t testing.TB, client *pop3test.Client, response string) (challenge string, ok bool) {
	t.Helper()
	return challengeOf(t, client.Command(base64.StdEncoding.EncodeToString([]byte(response))))
}

func challengeOf(t testing.TB, line string) (challenge string, ok bool) {
	t.Helper()
	text, ok := strings.CutPrefix(line, "+ ")
	if !ok {
		return line, false
	}
	octets, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return string(octets), true
}

// runSCRAM runs the client's side of SCRAM to its end, and returns the status
// line. tamper may change the client's messages, first and final.
func runSCRAM(t testing.TB, client *pop3test.Client, mechanism string, conversation *scram.ClientConversation, tamper func(step int, message string) string) string {
	t.Helper()
	challenge, ok := challengeOf(t, client.Command("AUTH "+mechanism))
	for step := 0; ok && !conversation.Done(); step++ {
		response, err := conversation.Step(challenge)
		require.NoError(t, err)
		if tamper != nil {
			response = tamper(step, response)
		}
		challenge, ok = answer(t, client, response)
	}
	if strings.HasPrefix(challenge, "+OK") {
		require.True(t, conversation.Valid(), "the server has not proved that it knows the secret")
	}
	return challenge
}

func newConversation(t testing.TB, generate scram.HashGeneratorFcn, user, password, authorizationID string) *scram.ClientConversation {
	t.Helper()
	client, err := generate.NewClient(user, password, authorizationID)
	require.NoError(t, err)
	return client.NewConversation()
}

const emptyMaildrop = "+OK maildrop has 0 messages"

// RFC 5802, RFC 7677: with secrets of either kind, in the clear.
func TestSCRAM(t *testing.T) {
	passwords := map[string]string{"mrose": "secret"}
	for name, test := range map[string]struct {
		mechanism string
		generate  scram.HashGeneratorFcn
		pop3.Authenticator
	}{
		"SHA-256":             {"SCRAM-SHA-256", scram.SHA256, newSCRAMUsers(t, crypto.SHA256, passwords)},
		"SHA-1":               {"SCRAM-SHA-1", scram.SHA1, newSCRAMUsers(t, crypto.SHA1, passwords)},
		"SHA-256 of a shared": {"SCRAM-SHA-256", scram.SHA256, pop3.Users(passwords).SharedSecrets()},
		"SHA-1 of a shared":   {"SCRAM-SHA-1", scram.SHA1, pop3.Users(passwords).SharedSecrets()},
	} {
		t.Run(name, func(t *testing.T) {
			server := &pop3.Server{Handler: pop3.Login(test.Authenticator, new(memory.Store)), Brake: pop3.NoBrake, MaxAuthTries: -1}
			client := pipe(t, server)
			for _, wrong := range [][2]string{{"mrose", "Secret"}, {"nobody", "secret"}, {"nobody", ""}, {"mrose", ""}} {
				require.Equal(t, authAnswer, runSCRAM(t, client.Client, test.mechanism, newConversation(t, test.generate, wrong[0], wrong[1], ""), nil), "%q", wrong)
			}
			require.Equal(t, authAnswer, runSCRAM(t, client.Client, test.mechanism, newConversation(t, test.generate, "mrose", "secret", "other"), nil), "for another")
			require.Equal(t, emptyMaildrop, runSCRAM(t, client.Client, test.mechanism, newConversation(t, test.generate, "mrose", "secret", "mrose"), nil))
		})
	}
}

// RFC 5802 section 5.1: names may have commas and equals signs.
func TestSCRAMNames(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"a,b=c": "secret"})
	client := pipe(t, &pop3.Server{Handler: pop3.Login(users, new(memory.Store))})
	require.Equal(t, emptyMaildrop, runSCRAM(t, client.Client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "a,b=c", "secret", ""), nil))
}

// scramByHand is an exchange of SCRAM-SHA-256 with messages that no library makes,
// and with the proof that fits them. It returns the status line.
func scramByHand(t *testing.T, client *pop3test.Client, header, bare, password, extensions string) string {
	t.Helper()
	require.Equal(t, "+ ", client.Command("AUTH SCRAM-SHA-256"))
	challenge, ok := answer(t, client, header+bare)
	if !ok {
		return challenge
	}
	var nonce, salt64 string
	var iterations int
	_, err := fmt.Sscanf(strings.ReplaceAll(challenge, ",", " "), "r=%s s=%s i=%d", &nonce, &salt64, &iterations)
	require.NoError(t, err)
	salt, err := base64.StdEncoding.DecodeString(salt64)
	require.NoError(t, err)
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	require.NoError(t, err)
	sum := func(key []byte, text string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	final := "c=" + encoded(header) + ",r=" + nonce + extensions
	proof := sum(salted, "Client Key")
	stored := sha256.Sum256(proof)
	said := bare + "," + challenge + "," + final
	subtle.XORBytes(proof, proof, sum(stored[:], said))
	challenge, ok = answer(t, client, final+",p="+base64.StdEncoding.EncodeToString(proof))
	if !ok {
		return challenge
	}
	require.Equal(t, "v="+base64.StdEncoding.EncodeToString(sum(sum(salted, "Server Key"), said)), challenge)
	return client.Command("")
}

// RFC 5802 section 5.1: "Unknown optional extensions MUST be ignored upon receipt",
// and a mandatory one that is not understood, m, "MUST cause authentication
// failure", wherever it stands.
func TestSCRAMExtensions(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})
	server := &pop3.Server{Handler: pop3.Login(users, new(memory.Store)), Brake: pop3.NoBrake, MaxAuthTries: -1}
	for _, test := range []struct {
		bare, extensions string
		want             string
	}{
		{"n=mrose,r=abc", "", emptyMaildrop},
		{"n=mrose,r=abc,x=y", "", emptyMaildrop},
		{"n=mrose,r=abc,x=m=,z=p", ",y=n=other,q=m", emptyMaildrop},
		{"n=mrose,r=abc", ",x=y", emptyMaildrop},
		{"n=mrose,r=m=", "", emptyMaildrop},
		{"m=x,n=mrose,r=abc", "", authAnswer},
		{"n=mrose,r=abc,m=x", "", authAnswer},
		{"n=mrose,r=abc,x=y,m=x", "", authAnswer},
		{"n=mrose,r=abc", ",m=x", authAnswer},
		{"n=mrose,r=abc", ",x=y,m=x", authAnswer},
	} {
		require.Equal(t, test.want, scramByHand(t, pipe(t, server).Client, "n,,", test.bare, "secret", test.extensions), "%q %q", test.bare, test.extensions)
	}
}

// RFC 5802 section 5.1: the server prepares the name by SASLprep as a query, and
// uses it as received in its calculations. So it does with an authorization
// identity (RFC 5034 section 4).
func TestSCRAMNamesArePrepared(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"IX": "secret", "m\u00fcller": "secret", "a b": "secret", "\U0001F600": "secret"})
	server := &pop3.Server{Handler: pop3.Login(users, new(memory.Store)), Brake: pop3.NoBrake, MaxAuthTries: -1}
	for name, test := range map[string]struct{ asItself, forIX string }{
		"IX":             {emptyMaildrop, emptyMaildrop},
		"\u2168":         {emptyMaildrop, emptyMaildrop}, // as the next, of RFC 4013 section 3
		"I\u00adX":       {emptyMaildrop, emptyMaildrop},
		"mu\u0308ller":   {emptyMaildrop, authAnswer},
		"a\u00a0b":       {emptyMaildrop, authAnswer},
		"\U0001F600":     {emptyMaildrop, authAnswer}, // Unicode 3.2 does not have it, and a query may
		"nobody":         {authAnswer, authAnswer},
		"IX\u0007":       {authAnswer, authAnswer}, // prohibited, as the next
		"IX\ue000":       {authAnswer, authAnswer},
		"IX\u0627":       {authAnswer, authAnswer}, // two directions
		"\u00ad":         {authAnswer, authAnswer}, // nothing
		"IX=2C":          {authAnswer, authAnswer},
		"=2CIX=3D\u00ad": {authAnswer, authAnswer},
	} {
		require.Equal(t, test.asItself, scramByHand(t, pipe(t, server).Client, "n,,", "n="+name+",r=abc", "secret", ""), "%q", name)
		require.Equal(t, test.forIX, scramByHand(t, pipe(t, server).Client, "n,a="+name+",", "n=IX,r=abc", "secret", ""), "for %q", name)
	}
	require.Equal(t, authAnswer, scramByHand(t, pipe(t, server).Client, "n,,", "n=,r=abc", "secret", ""), "no name")
}

// What only a secret proves is offered in the clear; what discloses one is not.
func TestSCRAMIsOfferedInTheClear(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})
	client := pipe(t, &pop3.Server{Handler: pop3.Login(users, new(memory.Store))})
	client.Command("CAPA")
	require.Contains(t, string(client.Body()), "\r\nSASL SCRAM-SHA-256\r\n")
	require.Contains(t, client.Command("AUTH PLAIN"), "no passwords without TLS")
	require.Equal(t, "-ERR no such mechanism", client.Command("AUTH SCRAM-SHA-1"))
	require.Equal(t, "-ERR no such mechanism", client.Command("AUTH SCRAM-SHA-256-PLUS"))
}

// A client that changes a nonce, or sends a proof that is none or not its own,
// does not get in, and is told the same each time.
func TestSCRAMAttacks(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})
	server := &pop3.Server{Handler: pop3.Login(users, new(memory.Store)), Brake: pop3.NoBrake, MaxAuthTries: -1}
	proof := func(message string) (before, proof string) {
		before, proof, _ = strings.Cut(message, ",p=")
		return before, proof
	}
	var recorded string
	for name, change := range map[string]func(first bool, message string) string{
		"final: nonce changed":   final(func(m string) string { return strings.Replace(m, "r=", "r=x", 1) }),
		"final: nonce cut":       final(func(m string) string { b, p := proof(m); return b[:len(b)-4] + ",p=" + p }),
		"final: no proof":        final(func(m string) string { b, _ := proof(m); return b }),
		"final: empty proof":     final(func(m string) string { b, _ := proof(m); return b + ",p=" }),
		"final: proof too short": final(func(m string) string { b, p := proof(m); return b + ",p=" + p[:8] }),
		"final: proof too long":  final(func(m string) string { b, p := proof(m); return b + ",p=AAAA" + p }),
		"final: proof of zeros": final(func(m string) string {
			b, _ := proof(m)
			return b + ",p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))
		}),
		"final: proof not base64":    final(func(m string) string { b, _ := proof(m); return b + ",p=!" }),
		"final: another gs2 header":  final(func(m string) string { return strings.Replace(m, "c=biws", "c=eSws", 1) }),
		"final: data that bind":      final(func(m string) string { return strings.Replace(m, "c=biws", "c=biwseA==", 1) }),
		"final: no channel binding":  final(func(m string) string { _, rest, _ := strings.Cut(m, ","); return rest }),
		"final: an extension":        final(func(m string) string { b, p := proof(m); return b + ",x=y,p=" + p }),
		"final: a mandatory one":     final(func(m string) string { return "m=x," + m }),
		"final: empty":               final(func(string) string { return "" }),
		"final: the first once more": final(func(string) string { return "n,,n=mrose,r=abc" }),
		"final: recorded":            final(func(m string) string { return recorded }),
		"first: empty":               first(func(string) string { return "" }),
		"first: no name":             first(func(string) string { return "n,,r=abc" }),
		"first: no nonce":            first(func(string) string { return "n,,n=mrose" }),
		"first: a mandatory one":     first(func(string) string { return "n,,m=x,n=mrose,r=abc" }),
		"first: an illegal name":     first(func(string) string { return "n,,n=m=rose,r=abc" }),
		"first: an illegal authz":    first(func(string) string { return "n,a=m=rose,n=mrose,r=abc" }),
		"first: no authz":            first(func(string) string { return "n,mrose,n=mrose,r=abc" }),
		"first: control in a name":   first(func(string) string { return "n,,n=mro\x01se,r=abc" }),
		"first: control in an authz": first(func(string) string { return "n,a=mro\x01se,n=mrose,r=abc" }),
		"first: not UTF-8":           first(func(string) string { return "n,,n=mro\xffse,r=abc" }),
		"first: binds without -PLUS": first(func(m string) string { return strings.Replace(m, "n,", "p=tls-exporter,", 1) }),
		"first: an unknown flag":     first(func(m string) string { return strings.Replace(m, "n,", "z,", 1) }),
		"first: PLAIN":               first(func(string) string { return "\x00mrose\x00secret" }),
		"first: a challenge":         first(func(string) string { return "r=abc,s=AAAA,i=4096" }),
	} {
		t.Run(name, func(t *testing.T) {
			client := pipe(t, server)
			recorded = ""
			require.Equal(t, emptyMaildrop, runSCRAM(t, pipe(t, server).Client, "SCRAM-SHA-256",
				newConversation(t, scram.SHA256, "mrose", "secret", ""), func(step int, m string) string {
					if step == 1 {
						recorded = m
					}
					return m
				}))
			status := attack(t, client.Client, newConversation(t, scram.SHA256, "mrose", "secret", ""), change)
			require.Equal(t, authAnswer, status)
		})
	}
}

func final(f func(string) string) func(bool, string) string {
	return func(isFirst bool, m string) string {
		if isFirst {
			return m
		}
		return f(m)
	}
}

func first(f func(string) string) func(bool, string) string {
	return func(isFirst bool, m string) string {
		if !isFirst {
			return m
		}
		return f(m)
	}
}

// attack is an exchange whose messages are changed. It ends with the first
// answer that the client cannot go on with.
func attack(t *testing.T, client *pop3test.Client, conversation *scram.ClientConversation, change func(first bool, m string) string) string {
	t.Helper()
	challenge, ok := challengeOf(t, client.Command("AUTH SCRAM-SHA-256"))
	for isFirst := true; ok; isFirst = false {
		response, err := conversation.Step(challenge)
		if err != nil {
			return client.Command("*")
		}
		challenge, ok = answer(t, client, change(isFirst, response))
	}
	return challenge
}

// The challenge does not show whether a user exists: it has the form, the
// number of iterations and the salt's length of a real one, and the salt stays
// the same.
func TestSCRAMShowsNobodyWhoExists(t *testing.T) {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})
	server := &pop3.Server{Handler: pop3.Login(users, new(memory.Store))}
	challenge := func(user string) (salt, rest string) {
		client := pipe(t, server)
		client.Command("AUTH SCRAM-SHA-256")
		text, ok := answer(t, client.Client, "n,,n="+user+",r=abc")
		require.True(t, ok)
		parts := strings.Split(text, ",")
		require.Len(t, parts, 3)
		require.True(t, strings.HasPrefix(parts[0], "r=abc"))
		return parts[1], parts[2]
	}
	salt, iterations := challenge("mrose")
	for _, nobody := range []string{"nobody", "Mrose2"} {
		s, i := challenge(nobody)
		require.Len(t, s, len(salt))
		require.NotEqual(t, salt, s)
		require.Equal(t, iterations, i)
		again, _ := challenge(strings.ToUpper(nobody))
		require.Equal(t, s, again)
	}
}

// boundTo returns the channel binding of a client's connection.
func boundTo(t *testing.T, conn *tls.Conn, kind scram.ChannelBindingType) scram.ChannelBinding {
	t.Helper()
	state := conn.ConnectionState()
	var binding scram.ChannelBinding
	var err error
	switch kind {
	case scram.ChannelBindingTLSExporter: // RFC 9266 section 2, by hand
		binding.Type = kind
		binding.Data, err = state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
	case scram.ChannelBindingTLSServerEndpoint:
		binding, err = scram.NewTLSServerEndpointBinding(&state)
	case scram.ChannelBindingTLSUnique:
		binding = scram.NewTLSUniqueBinding(state.TLSUnique)
	}
	require.NoError(t, err)
	require.True(t, binding.IsSupported())
	return binding
}

func newPlusServer(t *testing.T) *pop3test.Server {
	users := newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"})
	server := pop3test.NewUnstartedServer(t, pop3.Login(users, new(memory.Store)))
	server.Config.Brake, server.Config.MaxAuthTries = pop3.NoBrake, -1
	server.Start(t)
	return server
}

// plusClient begins TLS of a version, and returns a client behind it.
func plusClient(t *testing.T, server *pop3test.Server, implicit bool, version uint16) (*pop3test.Client, *tls.Conn) {
	t.Helper()
	config := server.ClientTLS()
	config.MinVersion, config.MaxVersion = version, version
	conn, err := shake(t, server, implicit, config)
	require.NoError(t, err)
	if implicit {
		return pop3test.NewClient(t, conn), conn
	}
	return pop3test.NewClient(t, &greetedBefore{conn, strings.NewReader("+OK\r\n")}), conn
}

// greetedBefore is a connection whose greeting came before TLS.
type greetedBefore struct {
	*tls.Conn
	greeting io.Reader
}

func (g *greetedBefore) Read(p []byte) (int, error) {
	if n, err := g.greeting.Read(p); err == nil {
		return n, nil
	}
	return g.Conn.Read(p)
}

func boundConversation(t *testing.T, user, password string, binding scram.ChannelBinding) *scram.ClientConversation {
	t.Helper()
	client, err := scram.SHA256.NewClient(user, password, "")
	require.NoError(t, err)
	return client.NewConversationWithChannelBinding(binding)
}

// RFC 5802 section 6, RFC 5929, RFC 9266.
func TestChannelBinding(t *testing.T) {
	server := newPlusServer(t)
	eachTLS(t, func(t *testing.T, implicit bool) {
		for _, test := range []struct {
			version uint16
			kind    scram.ChannelBindingType
		}{
			{tls.VersionTLS13, scram.ChannelBindingTLSExporter},
			{tls.VersionTLS13, scram.ChannelBindingTLSServerEndpoint},
			{tls.VersionTLS12, scram.ChannelBindingTLSExporter},
			{tls.VersionTLS12, scram.ChannelBindingTLSServerEndpoint},
			{tls.VersionTLS12, scram.ChannelBindingTLSUnique},
		} {
			t.Run(tls.VersionName(test.version)+" "+string(test.kind), func(t *testing.T) {
				client, conn := plusClient(t, server, implicit, test.version)
				client.Command("CAPA")
				require.Contains(t, string(client.Body()), "\r\nSASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN\r\n")
				binding := boundTo(t, conn, test.kind)
				require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "Secret", binding), nil))
				if test.kind == scram.ChannelBindingTLSExporter {
					client, conn = plusClient(t, server, implicit, test.version)
					binding = boundTo(t, conn, test.kind)
				}
				require.Equal(t, emptyMaildrop, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", binding), nil))
			})
		}
	})
}

// RFC 9266 section 4.1: tls-exporter "MUST NOT" be used "for more than one
// authentication mechanism instance on a given TLS connection". The client may log
// in without it, by another binding, or on another connection.
func TestTLSExporterIsUsedOnce(t *testing.T) {
	server := newPlusServer(t)
	const used = "-ERR tls-exporter was used on this connection: connect again"
	client, conn := plusClient(t, server, true, tls.VersionTLS13)
	exporter := boundTo(t, conn, scram.ChannelBindingTLSExporter)
	bound := func(password string, binding scram.ChannelBinding, tamper func(int, string) string) string {
		return runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", password, binding), tamper)
	}
	client.Command("AUTH SCRAM-SHA-256-PLUS")
	require.Equal(t, "-ERR AUTH cancelled", client.Command("*"))
	client.Command("AUTH SCRAM-SHA-256-PLUS")
	client.Command(encoded("p=tls-exporter,,n=mrose,r=abc"))
	require.Equal(t, "-ERR AUTH cancelled", client.Command("*"), "nothing was bound yet")
	require.Equal(t, authAnswer, bound("Secret", exporter, nil))
	require.Equal(t, used, bound("secret", exporter, nil))
	require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "Secret", ""), nil))
	require.Equal(t, used, bound("secret", exporter, nil))
	require.Equal(t, "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN", capability(t, client, "SASL"))
	require.Equal(t, emptyMaildrop, bound("secret", boundTo(t, conn, scram.ChannelBindingTLSServerEndpoint), nil))

	for name, tamper := range map[string]func(int, string) string{
		"no proof": func(step int, m string) string { m, _, _ = strings.Cut(m, ",p="); return m },
		"nothing":  func(step int, m string) string { return m[:len(m)*(1-step)] },
	} {
		client, conn = plusClient(t, server, true, tls.VersionTLS13)
		exporter = boundTo(t, conn, scram.ChannelBindingTLSExporter)
		require.Equal(t, authAnswer, bound("secret", exporter, tamper), name)
		require.Equal(t, used, bound("secret", exporter, nil), name)
		require.Equal(t, emptyMaildrop, runSCRAM(t, client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "secret", ""), nil))
	}
}

// Somebody in the middle has a connection of its own to each side: the binding
// that the client computes is that of another one.
func TestChannelBindingOfAnotherConnection(t *testing.T) {
	server := newPlusServer(t)
	client, conn := plusClient(t, server, true, tls.VersionTLS13)
	_, other := plusClient(t, server, true, tls.VersionTLS13)
	const none = "-ERR no such channel binding on this connection"
	for name, binding := range map[string]scram.ChannelBinding{
		"tls-exporter":         boundTo(t, other, scram.ChannelBindingTLSExporter),
		"tls-server-end-point": {Type: scram.ChannelBindingTLSServerEndpoint, Data: []byte("the hash of another certificate.")},
		"tls-unique":           {Type: scram.ChannelBindingTLSUnique, Data: []byte("TLS 1.3 has none")},
		"of no kind":           {Type: "tls-nothing", Data: []byte("x")},
		"of another kind":      {Type: scram.ChannelBindingTLSServerEndpoint, Data: boundTo(t, conn, scram.ChannelBindingTLSExporter).Data},
	} {
		want := authAnswer
		if name == "tls-unique" || name == "of no kind" {
			want = none
		}
		require.Equal(t, want, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", binding), nil), name)
	}
}

// A resumed session has no certificate to bind to, and all the rest.
func TestChannelBindingOfAResumedSession(t *testing.T) {
	server := newPlusServer(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := server.ClientTLS()
		config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		config.MinVersion, config.MaxVersion = version, version
		dial := func() (*pop3test.Client, *tls.Conn) {
			conn, err := tls.Dial("tcp", server.AddrTLS, config)
			require.NoError(t, err)
			return pop3test.NewClient(t, conn), conn
		}
		first, _ := dial() // reads the greeting, and the ticket with it
		first.Command("CAPA")
		client, conn := dial()
		require.True(t, conn.ConnectionState().DidResume)
		endPoint := scram.ChannelBinding{Type: scram.ChannelBindingTLSServerEndpoint, Data: []byte("x")}
		require.Equal(t, "-ERR no such channel binding on this connection",
			runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", endPoint), nil))
		exporter := boundTo(t, conn, scram.ChannelBindingTLSExporter)
		require.Equal(t, emptyMaildrop, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", boundConversation(t, "mrose", "secret", exporter), nil))
	}
}

// The state of another TLS library than crypto/tls has no keys to export, and
// panics when it is asked.
func TestChannelBindingOfAnotherTLSLibrary(t *testing.T) {
	for name, test := range map[string]struct {
		unique           string
		offered, refused string
	}{
		"tls-unique": {"x", "SCRAM-SHA-256-PLUS SCRAM-SHA-256", "-ERR no such channel binding on this connection"},
		"none":       {"", "SCRAM-SHA-256", "-ERR no such mechanism"},
	} {
		t.Run(name, func(t *testing.T) {
			server := &pop3.Server{Handler: pop3.Login(newSCRAMUsers(t, crypto.SHA256, map[string]string{"mrose": "secret"}), new(memory.Store))}
			conn := foreignTLS{newScript([]byte("CAPA\r\nAUTH SCRAM-SHA-256-PLUS "+encoded("p=tls-exporter,,n=mrose,r=abc")+"\r\nQUIT\r\n"), 0), test.unique}
			require.NoError(t, server.ServeConn(t.Context(), conn))
			require.Contains(t, conn.out.String(), "\r\nSASL "+test.offered+" PLAIN LOGIN\r\n")
			require.Contains(t, conn.out.String(), "\r\n"+test.refused+"\r\n+OK bye\r\n")
		})
	}
}

// foreignTLS is a connection of another TLS library than crypto/tls.
type foreignTLS struct {
	*script
	unique string
}

func (c foreignTLS) ConnectionState() tls.ConnectionState {
	return tls.ConnectionState{HandshakeComplete: true, TLSUnique: []byte(c.unique)}
}

func (foreignTLS) HandshakeContext(context.Context) error { return nil }

// RFC 5802 section 6: a client that could bind, and did not see that the server
// can, has a list of mechanisms that somebody has changed.
func TestChannelBindingDowngrade(t *testing.T) {
	server := newPlusServer(t)
	users, err := scram.SHA256.NewClient("mrose", "secret", "")
	require.NoError(t, err)
	client, conn := plusClient(t, server, true, tls.VersionTLS13)
	require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256", users.NewConversationAdvertisingChannelBinding(), nil))
	require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", users.NewConversation(), nil), "-PLUS, and does not bind")
	require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256-PLUS", users.NewConversationAdvertisingChannelBinding(), nil), "-PLUS, and does not bind")
	exporter := users.NewConversationWithChannelBinding(boundTo(t, conn, scram.ChannelBindingTLSExporter))
	require.Equal(t, authAnswer, runSCRAM(t, client, "SCRAM-SHA-256", exporter, nil), "binds without -PLUS")
	require.Equal(t, emptyMaildrop, runSCRAM(t, client, "SCRAM-SHA-256", users.NewConversation(), nil), "cannot bind")

	plain := server.Dial(t)
	require.Equal(t, emptyMaildrop, runSCRAM(t, plain, "SCRAM-SHA-256", users.NewConversationAdvertisingChannelBinding(), nil), "the server cannot bind")
}

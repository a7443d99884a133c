package pop3client_test

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3/pop3client"
)

// mechanism is a mechanism of a test.
type mechanism struct {
	name    string
	initial []byte
	next    func(challenge []byte) ([]byte, error)
}

func (m mechanism) Start() (string, []byte, error)        { return m.name, m.initial, nil }
func (m mechanism) Next(challenge []byte) ([]byte, error) { return m.next(challenge) }

// cramMD5 is RFC 2195.
func cramMD5(user, secret string) mechanism {
	return mechanism{name: "CRAM-MD5", next: func(challenge []byte) ([]byte, error) {
		digest := hmac.New(md5.New, []byte(secret))
		digest.Write(challenge)
		return []byte(user + " " + hex.EncodeToString(digest.Sum(nil))), nil
	}}
}

func TestAuthPlain(t *testing.T) {
	client := greeted(t, `
		C: AUTH PLAIN AGRlbW8Ac2VjcmV0
		S: -ERR [AUTH] no
		C: AUTH PLAIN b3RoZXIAZGVtbwBzZWNyZXQ=
		S: +OK
		C: (closes)`)
	require.ErrorContains(t, client.Auth(t.Context(), pop3client.Plain("", "demo", "secret")), "AUTH: -ERR [AUTH]")
	require.NoError(t, client.Auth(t.Context(), pop3client.Plain("other", "demo", "secret")))
	require.NoError(t, client.Close())
}

// An initial response that makes the command longer than 255 octets is held
// back until the server asks for it (RFC 5034 section 4).
func TestAuthWithALongInitialResponse(t *testing.T) {
	// "AUTH PLAIN " + base64 + CRLF is 253 octets for 180, and 257 for 181.
	for length, inline := range map[int]bool{180: true, 181: false} {
		password := strings.Repeat("p", length-len("\x00demo\x00"))
		encoded := base64.StdEncoding.EncodeToString([]byte("\x00demo\x00" + password))
		dialogue := "C: AUTH PLAIN " + encoded + "\nS: +OK\nC: (closes)"
		if !inline {
			dialogue = "C: AUTH PLAIN\nS: + \nC: " + encoded + "\nS: +OK\nC: (closes)"
		}
		client := greeted(t, dialogue)
		require.NoError(t, client.Auth(t.Context(), pop3client.Plain("", "demo", password)))
		require.NoError(t, client.Close())
	}
	for _, answer := range []string{"+OK\r\n", "+ Q0hBTExFTkdF\r\n"} {
		_, server, err := ask(t, strings.NewReader(answer), pop3client.Options{}, func(ctx context.Context, c *pop3client.Client) error {
			return c.Auth(ctx, pop3client.Plain("", "demo", strings.Repeat("p", 200)))
		})
		require.ErrorAs(t, err, new(*pop3client.ProtocolError))
		require.True(t, server.closed)
	}
}

func TestAuthWithChallenges(t *testing.T) {
	// The example of RFC 2195 section 2, over POP3.
	client := greeted(t, `
		C: AUTH CRAM-MD5
		S: + PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
		C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw
		S: +OK
		C: AUTH X-EMPTY =
		S: + 
		C: 
		S: +
		C: eA==
		S: +OK
		C: (closes)`)
	require.NoError(t, client.Auth(t.Context(), cramMD5("tim", "tanstaaftanstaaf")))
	times := 0
	empty := mechanism{"X-EMPTY", []byte{}, func(challenge []byte) ([]byte, error) {
		require.Empty(t, challenge)
		if times++; times == 1 {
			return nil, nil
		}
		return []byte("x"), nil
	}}
	require.NoError(t, client.Auth(t.Context(), empty))
	require.NoError(t, client.Close())
}

// A mechanism that does not go on is broken off by "*", and the session goes
// on.
func TestAuthThatIsBrokenOff(t *testing.T) {
	client := greeted(t, `
		C: AUTH PLAIN AGRlbW8Ac2VjcmV0
		S: + d2hhdA==
		C: *
		S: -ERR broken off
		C: NOOP
		S: +OK
		C: AUTH PLAIN AGRlbW8Ac2VjcmV0
		S: + d2hhdA==
		C: *
		S: +OK welcome
		C: (closes)`)
	plain := pop3client.Plain("", "demo", "secret")
	require.ErrorContains(t, client.Auth(t.Context(), plain), "PLAIN has no challenge")
	require.NoError(t, client.Noop(t.Context()))
	require.ErrorContains(t, client.Auth(t.Context(), plain), "logs in a client that has broken off")
	require.ErrorContains(t, client.Noop(t.Context()), "the connection has ended")
}

// Without TLS no secret is shown to who listens, by any mechanism.
func TestAuthWithoutTLS(t *testing.T) {
	client, err := pop3client.New(t.Context(), play(t, `
		S: +OK ready
		C: AUTH CRAM-MD5
		S: -ERR
		C: AUTH SCRAM-SHA-256
		S: -ERR
		C: (closes)`), pop3client.Options{})
	require.NoError(t, err)
	for _, name := range []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", "X-UNKNOWN", "SCRAM"} {
		require.ErrorIs(t, client.Auth(t.Context(), mechanism{name: name}), pop3client.ErrInsecure, name)
	}
	for _, name := range []string{"CRAM-MD5", "SCRAM-SHA-256"} {
		require.ErrorAs(t, client.Auth(t.Context(), mechanism{name: name}), new(*pop3client.Error), name)
	}
	require.NoError(t, client.Close())
}

func TestAuthWithAMechanismThatIsNone(t *testing.T) {
	client := greeted(t, `C: (closes)`)
	for _, name := range []string{"", "plain", "A B", "A\r\nQUIT", strings.Repeat("A", 21)} {
		require.ErrorContains(t, client.Auth(t.Context(), mechanism{name: name}), "not the name of a mechanism")
	}
	failing := errors.New("no ticket")
	require.ErrorIs(t, client.Auth(t.Context(), startFails{failing}), failing)
	require.NoError(t, client.Close())
}

type startFails struct{ err error }

func (s startFails) Start() (string, []byte, error) { return "", nil, s.err }
func (s startFails) Next([]byte) ([]byte, error)    { return nil, s.err }

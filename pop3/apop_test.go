package pop3_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 1939 section 7, the example of APOP: the shared secret "tanstaaf", the
// timestamp and the digest as printed there.
func TestRFC1939Section7APOPExample(t *testing.T) {
	const timestamp = "<1896.697170952@dbc.mtview.ca.us>"
	handler := pop3.Login(pop3.Users{"mrose": "tanstaaf"}.SharedSecrets(), newFakeStore("a\n"))
	session, err := handler.NewSession(context.Background(), nil)
	require.NoError(t, err)
	defer session.Close()
	apop := session.(pop3.APOPSession)
	require.True(t, apop.APOPEnabled())
	login := mailbox.Login{User: "mrose", Mechanism: "APOP"}
	mb, err := apop.APOP(context.Background(), login, timestamp, "c4c9334bac560ecc979e58001b3e22fb")
	require.NoError(t, err)
	require.NoError(t, mb.Close())
	_, err = apop.APOP(context.Background(), login, timestamp, "c4c9334bac560ecc979e58001b3e22fc")
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	_, err = apop.APOP(context.Background(), login, "<1896.697170953@dbc.mtview.ca.us>", "c4c9334bac560ecc979e58001b3e22fb")
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
}

// RFC 1939 section 7: the timestamp has the syntax of a msg-id, "and MUST be
// different each time the POP3 server issues a banner greeting". APOP is offered
// only by a host that knows the secrets.
func TestAPOPTimestamps(t *testing.T) {
	server := pop3test.NewServer(t, pop3.Login(pop3.Users{"mrose": "tanstaaf"}.SharedSecrets(), newFakeStore()))
	form := regexp.MustCompile(`^\+OK .*(<[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]+@[A-Za-z0-9.-]+>)$`)
	seen := map[string]bool{}
	var replayed string
	for range 20 {
		greeting := server.Dial(t).Greeting
		parts := form.FindStringSubmatch(greeting)
		require.Len(t, parts, 2, greeting)
		require.False(t, seen[parts[1]])
		seen[parts[1]] = true
		replayed = apopDigest(parts[1], "tanstaaf")
	}
	// A digest is of no use on another connection.
	require.Equal(t, authAnswer, server.Dial(t).Command("APOP mrose "+replayed))

	client := server.Dial(t)
	digest := apopDigest(form.FindStringSubmatch(client.Greeting)[1], "tanstaaf")
	// RFC 1939 has the digest in lower case; capitals are accepted too.
	require.Equal(t, "+OK maildrop has 0 messages", client.Command("APOP mrose "+strings.ToUpper(digest)))

	other := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), newFakeStore()))
	require.NotContains(t, other.Dial(t).Greeting, "<")
}

// RFC 6856 section 2.2: a server that takes names and secrets in UTF-8 computes the
// digest of a secret that is prepared by SASLprep as a stored string, and prepares
// the name as a query. What SASLprep prohibits is nobody's.
func TestAPOPIsPrepared(t *testing.T) {
	users := pop3.Users{
		"ix": "se\u00adcret", "m\u00fcller": "\u2168\u00aa", "tab": "a\tb", "private": "\ue000", "empty": "\u00ad",
		"unassigned": "\U0001F600", "m\xe4x": "\u2168",
	}
	server := insecure(pop3.Login(users.SharedSecrets(), newFakeStore()))
	server.MaxAuthTries, server.MaxBadCommands = -1, -1
	const malformed = "-ERR user name and digest expected"
	for _, test := range []struct{ name, secret, want string }{
		{"ix", "secret", emptyMaildrop},
		{"\u2168", "secret", emptyMaildrop},
		{"i\u00adx", "secret", emptyMaildrop},
		{"ix", "se\u00adcret", authAnswer},
		{"mu\u0308ller", "IXa", emptyMaildrop},
		{"m\u00fcller", "\u2168\u00aa", authAnswer},
		{"tab", "a\tb", authAnswer},
		{"private", "\ue000", authAnswer},
		{"empty", "", authAnswer},
		{"unassigned", "\U0001F600", authAnswer},
		{"m\xe4x", "\u2168", malformed},
		{"ix\u0007", "secret", malformed},
		{"ix\ue000", "secret", malformed},
		{"\u00ad", "secret", malformed},
	} {
		client := pipe(t, server)
		digest := apopDigest(timestamp.FindString(client.Greeting), test.secret)
		require.Equal(t, test.want, client.Command("APOP "+test.name+" "+digest), "%q %q", test.name, test.secret)
	}

	latin1 := insecure(pop3.Login(latin1Secrets{}, newFakeStore()))
	latin1.HideUTF8 = true
	client := pipe(t, latin1)
	require.Equal(t, emptyMaildrop, client.Command("APOP m\xe4x "+apopDigest(timestamp.FindString(client.Greeting), "\xe4")))
}

// latin1Secrets are those of a user whose name and secret are in another charset.
type latin1Secrets struct{ pop3.Users }

func (latin1Secrets) SharedSecret(_ context.Context, login mailbox.Login) (secret, user string, err error) {
	if login.User != "m\xe4x" {
		return "", "", mailbox.ErrAuthFailed
	}
	return "\xe4", "max", nil
}

func apopDigest(timestamp, secret string) string {
	sum := md5.Sum([]byte(timestamp + secret))
	return hex.EncodeToString(sum[:])
}

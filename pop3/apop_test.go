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

// RFC 1939 section 7: "each time the POP3 server issues a banner greeting, it
// MUST be different. The syntax of the timestamp MUST correspond to the msg-id
// in [RFC822]". APOP is offered only by a host that knows the secrets.
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

func apopDigest(timestamp, secret string) string {
	sum := md5.Sum([]byte(timestamp + secret))
	return hex.EncodeToString(sum[:])
}

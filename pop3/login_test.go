package pop3_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 1939 section 7, PASS: the password is the whole rest of the line after
// one space, with all its blanks. A password of PLAIN may have any octets but
// NUL (RFC 4616 section 2).
func TestPasswordsArriveOctetForOctet(t *testing.T) {
	passwords := []string{
		"secret", "two words", " leading", "trailing ", "  both  ", "in  ner", " ", "   ", "=", "*", "PASS", "\t", "\x01",
		"pässwört", "\xff\xfe", strings.Repeat("x", 2000), "a\rb", ".", "+OK", `"quoted"`, `back\slash`,
	}
	got := make(chan string, 1)
	authenticator := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		got <- login.Password
		return "", mailbox.ErrAuthFailed
	})
	server := &pop3.Server{Handler: pop3.Login(authenticator, newFakeStore()), AllowInsecureAuth: true, MaxAuthTries: -1, Brake: pop3.NoBrake}
	client := pipe(t, server)
	for _, password := range passwords {
		client.Command("USER mrose")
		require.Equal(t, authAnswer, client.Command("PASS "+password))
		require.Equal(t, password, <-got)
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00mrose\x00"+password))))
		require.Equal(t, password, <-got)
	}
}

// The answer for an unknown user is the same octets as for a wrong password,
// over USER, PLAIN and APOP, at the first try and at the one that ends the
// connection.
func TestOneAnswerForUnknownUserAndWrongPassword(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, pop3.Login(pop3.Users{"mrose": "secret"}.SharedSecrets(), newFakeStore()))
	server.Config.MaxAuthTries = 2
	server.Start(t)
	tries := map[string]func(c *pop3test.Client, user string) string{
		"USER": func(c *pop3test.Client, user string) string {
			return c.Command("USER "+user) + "\n" + c.Command("PASS wrong")
		},
		"PLAIN": func(c *pop3test.Client, user string) string {
			return c.Command("AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00wrong")))
		},
		"APOP": func(c *pop3test.Client, user string) string {
			return c.Command("APOP " + user + " c4c9334bac560ecc979e58001b3e22fb")
		},
	}
	for name, try := range tries {
		known, unknown := server.Dial(t), server.Dial(t)
		for range 2 {
			require.Equal(t, try(known, "mrose"), try(unknown, "nobody"), name)
		}
		known.ExpectClosed()
		unknown.ExpectClosed()
	}
}

// The answer is the same for a user that the authenticator knows and the store
// does not.
func TestOneAnswerForAUserWithoutMailbox(t *testing.T) {
	store := newFakeStore()
	store.storeErr = fmt.Errorf("no directory /var/mail/mrose: %w", mailbox.ErrNoSuchUser)
	client := pipe(t, store.server())
	client.Command("USER mrose")
	require.Equal(t, authAnswer, client.Command("PASS secret"))
}

// A session that implements neither SASLSession nor APOPSession offers neither.
func TestASessionThatOnlyLogsIn(t *testing.T) {
	store := newFakeStore("a\n")
	server := &pop3.Server{
		AllowInsecureAuth: true,
		Handler: pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) {
			return onlyLogin{store}, nil
		}),
	}
	client := pipe(t, server)
	_, body := client.Multi("CAPA")
	require.NotContains(t, string(body), "SASL")
	require.Equal(t, "-ERR AUTH is not offered here", client.Command("AUTH"))
	require.Equal(t, "-ERR AUTH is not offered here", client.Command("AUTH PLAIN"))
	require.Equal(t, "-ERR APOP is not offered here", client.Command("APOP mrose c4c9334bac560ecc979e58001b3e22fb"))
	client.Login("mrose", "secret")
	require.Equal(t, "+OK 1 3", client.Command("STAT"))
}

type onlyLogin struct{ store *fakeStore }

func (s onlyLogin) Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	return s.store.Open(ctx, login)
}

func (s onlyLogin) Close() error { return nil }

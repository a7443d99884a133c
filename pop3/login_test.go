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
		"pässwört", "\u212b", strings.Repeat("x", 2000), "a\rb", ".", "+OK", `"quoted"`, `back\slash`,
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

// RFC 6856 section 2.2: a server that takes names and passwords in UTF-8 "MUST
// reject UTF-8 usernames or passwords that fail to comply with the formal syntax in
// UTF-8". So does the grammar of PLAIN (RFC 4616 section 2). A server that hides
// UTF8 leaves what comes by USER, PASS and APOP to the host.
func TestNamesAndPasswordsAreUTF8(t *testing.T) {
	var asked []mailbox.Login
	host := &notingSecrets{Users: pop3.Users{"m\xffrose": "secret"}, asked: &asked}
	newServer := func() *pop3.Server {
		server := insecure(pop3.Login(host, newFakeStore()))
		server.MaxAuthTries, server.MaxBadCommands = -1, -1
		return server
	}
	client := pipe(t, newServer())
	for _, wrong := range []string{"\xff", "m\xe4rose", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "m\xc3"} {
		require.Equal(t, "-ERR a user name is UTF-8", client.Command("USER "+wrong), "%q", wrong)
		require.Equal(t, "-ERR USER first", client.Command("PASS secret"))
		require.Equal(t, "-ERR user name and digest expected", client.Command("APOP "+wrong+" c4c9334bac560ecc979e58001b3e22fb"))
		client.Command("USER mrose")
		require.Equal(t, authAnswer, client.Command("PASS "+wrong), "%q", wrong)
		require.Equal(t, "-ERR USER first", client.Command("PASS secret"))
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+encoded("\x00"+wrong+"\x00secret")))
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+encoded("\x00mrose\x00"+wrong)))
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+encoded(wrong+"\x00mrose\x00secret")))
	}
	require.Empty(t, asked, "and the host is not asked")

	server := newServer()
	server.HideUTF8 = true
	client = pipe(t, server)
	require.Equal(t, "+OK send PASS", client.Command("USER m\xffrose"))
	require.Equal(t, authAnswer, client.Command("PASS \xe4"))
	require.Equal(t, "m\xffrose \xe4", asked[0].User+" "+asked[0].Password)
	require.Equal(t, authAnswer, client.Command("APOP m\xffrose c4c9334bac560ecc979e58001b3e22fb"))
	require.Equal(t, "m\xffrose", asked[1].User)
	require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+encoded("\x00m\xffrose\x00secret")))
	require.Len(t, asked, 2)
}

// notingSecrets notes what it is asked about.
type notingSecrets struct {
	pop3.Users
	asked *[]mailbox.Login
}

func (n *notingSecrets) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	*n.asked = append(*n.asked, login)
	return n.Users.Authenticate(ctx, login)
}

func (n *notingSecrets) SharedSecret(ctx context.Context, login mailbox.Login) (secret, user string, err error) {
	*n.asked = append(*n.asked, login)
	return n.Users.SharedSecrets().SharedSecret(ctx, login)
}

// RFC 4616 section 2: each of the three may have 255 octets, at least.
func TestPLAINTakes255OctetsOfEach(t *testing.T) {
	var asked mailbox.Login
	host := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		asked = login
		return login.AuthorizationID, nil
	})
	of255 := func(letter string) string { return strings.Repeat(letter, 251) + "\U00020000" }
	require.Len(t, of255("x"), 255)
	for _, initial := range []bool{true, false} {
		client := pipe(t, insecure(pop3.Login(host, newFakeStore())))
		response := encoded(of255("a") + "\x00" + of255("b") + "\x00" + of255("c"))
		if initial {
			require.Equal(t, emptyMaildrop, client.Command("AUTH PLAIN "+response))
		} else {
			require.Equal(t, "+ ", client.Command("AUTH PLAIN"))
			require.Equal(t, emptyMaildrop, client.Command(response))
		}
		require.Equal(t, []string{of255("a"), of255("b"), of255("c")}, []string{asked.AuthorizationID, asked.User, asked.Password})
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

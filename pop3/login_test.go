package pop3_test

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
	"github.com/stretchr/testify/require"
)

// RFC 1939 section 7, PASS: the argument is the password, blanks and all, from
// behind the one space to the line's end; so is PLAIN's (RFC 4616 section 2).
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
	server := &pop3.Server{Handler: pop3.Login(authenticator, newShelf()), AllowInsecureAuth: true, MaxAuthTries: -1}
	client, _ := onConn(t, server, nil)
	for _, password := range passwords {
		client.Command("USER mrose")
		require.Equal(t, authAnswer, client.Command("PASS "+password))
		require.Equal(t, password, <-got)
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00mrose\x00"+password))))
		require.Equal(t, password, <-got)
	}
}

// RFC 1939 section 7, the example of APOP: the shared secret "tanstaaf", the
// timestamp and the digest as printed there.
func TestRFC1939Section7APOPExample(t *testing.T) {
	const timestamp = "<1896.697170952@dbc.mtview.ca.us>"
	handler := pop3.Login(secretUsers{"mrose": "tanstaaf"}, newShelf("a\n"))
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
// in [RFC822]". It is offered where the host knows secrets, and nowhere else.
func TestAPOPTimestamps(t *testing.T) {
	server := pop3test.NewServer(t, pop3.Login(secretUsers{"mrose": "tanstaaf"}, newShelf()))
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
	// A digest that was overheard is good for nothing.
	require.Equal(t, authAnswer, server.Dial(t).Command("APOP mrose "+replayed))

	client := server.Dial(t)
	digest := apopDigest(form.FindStringSubmatch(client.Greeting)[1], "tanstaaf")
	// RFC 1939 wants lower case; capitals are no reason to lock anybody out.
	require.Equal(t, "+OK maildrop has 0 messages", client.Command("APOP mrose "+strings.ToUpper(digest)))

	other := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), newShelf()))
	require.NotContains(t, other.Dial(t).Greeting, "<")
}

func apopDigest(timestamp, secret string) string {
	sum := md5.Sum([]byte(timestamp + secret))
	return hex.EncodeToString(sum[:])
}

// One answer for an unknown user and a wrong password, octet for octet, over
// USER, PLAIN and APOP, at the first try and at the one that ends the connection
// (PROTOCOL.md section 3: "one identical text").
func TestOneAnswerForUnknownUserAndWrongPassword(t *testing.T) {
	server := pop3test.NewUnstartedServer(t, pop3.Login(secretUsers{"mrose": "secret"}, newShelf()))
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

// A user whose maildrop the store knows nothing of is as unknown as any other.
func TestOneAnswerForAUserWithoutMaildrop(t *testing.T) {
	store := newShelf()
	store.storeErr = fmt.Errorf("no directory /var/mail/mrose: %w", mailbox.ErrNoSuchUser)
	client, _ := onConn(t, store.server(), nil)
	client.Command("USER mrose")
	require.Equal(t, authAnswer, client.Command("PASS secret"))
}

// MaxAuthTries counts failed logins whichever way they come; five is the
// default. What is no attempt does not count, nor what is not the client's
// fault.
func TestFailedLoginsEndTheConnection(t *testing.T) {
	fail := func(c *pop3test.Client, i int) string {
		if i%2 == 0 {
			return c.Command("AUTH PLAIN AG1yb3NlAHdyb25n")
		}
		c.Command("USER mrose")
		return c.Command("PASS wrong")
	}
	for setting, tries := range map[int]int{0: 5, 1: 1, 3: 3} {
		server := &pop3.Server{
			Handler:           pop3.Login(secretUsers{"mrose": "secret"}, newShelf()),
			AllowInsecureAuth: true, MaxAuthTries: setting,
		}
		client, _ := onConn(t, server, nil)
		for i := range tries - 1 {
			require.Equal(t, authAnswer, fail(client, i), "%d of %d", i+1, tries)
			client.Command("AUTH PLAIN *")
			client.Command("CAPA")
			client.Body()
		}
		require.Equal(t, "-ERR [AUTH] too many failed logins", fail(client, tries))
		client.ExpectClosed()
	}

	server := &pop3.Server{
		Handler:           pop3.Login(secretUsers{"mrose": "secret"}, newShelf()),
		AllowInsecureAuth: true, MaxAuthTries: -1,
	}
	client, _ := onConn(t, server, nil)
	for i := range 100 {
		require.Equal(t, authAnswer, fail(client, i))
	}

	store := newShelf()
	store.storeErr = mailbox.ErrTemporary
	client, _ = onConn(t, store.server(), nil)
	for range 20 {
		client.Command("USER mrose")
		require.Equal(t, temporaryAnswer, client.Command("PASS secret"), "an outage locks nobody out")
	}
}

// MaxBadCommands counts wrong commands in a row: 20 by default, 5 before the
// login.
func TestWrongCommandsEndTheConnection(t *testing.T) {
	for setting, limits := range map[int][2]int{0: {5, 20}, 3: {3, 3}, 10: {5, 10}} {
		server := newShelf().server()
		server.MaxBadCommands = setting
		client, _ := onConn(t, server, nil)
		for i, limit := range limits {
			if i == 1 {
				client, _ = onConn(t, server, nil)
				client.Login("mrose", "secret")
			}
			for range limit - 1 {
				require.Equal(t, "-ERR unknown command", client.Command("XYZZY"))
			}
			client.Command("CAPA") // starts the count anew
			client.Body()
			for range limit - 1 {
				require.Equal(t, "-ERR unknown command", client.Command("XYZZY"))
			}
			require.Equal(t, "-ERR too many bad commands", client.Command("XYZZY"))
			client.ExpectClosed()
		}
	}
}

// Capabilities may add what a host knows (LOGIN-DELAY and EXPIRE, RFC 2449
// sections 6.5 and 6.7) and leave out what is to be hidden.
func TestCapabilitiesOfTheHost(t *testing.T) {
	server := newShelf().server()
	server.Capabilities = func(c *pop3.Conn, list []string) []string {
		kept := []string{"EXPIRE 60", "LOGIN-DELAY 900"}
		for _, capability := range list {
			if capability != "TOP" {
				kept = append(kept, capability)
			}
		}
		return kept
	}
	client := session(t, server)
	_, body := client.Multi("CAPA")
	require.Equal(t, "EXPIRE 60\r\nLOGIN-DELAY 900\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nUSER\r\nSASL PLAIN\r\n", string(body))
}

// A session that knows neither SASL nor APOP offers neither.
func TestASessionThatOnlyLogsIn(t *testing.T) {
	store := newShelf("a\n")
	server := &pop3.Server{
		AllowInsecureAuth: true,
		Handler: pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) {
			return onlyLogin{store}, nil
		}),
	}
	client, _ := onConn(t, server, nil)
	_, body := client.Multi("CAPA")
	require.NotContains(t, string(body), "SASL")
	require.Equal(t, "-ERR AUTH is not offered here", client.Command("AUTH"))
	require.Equal(t, "-ERR AUTH is not offered here", client.Command("AUTH PLAIN"))
	require.Equal(t, "-ERR APOP is not offered here", client.Command("APOP mrose c4c9334bac560ecc979e58001b3e22fb"))
	client.Login("mrose", "secret")
	require.Equal(t, "+OK 1 3", client.Command("STAT"))
}

type onlyLogin struct{ store *shelf }

func (s onlyLogin) Login(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
	return s.store.Open(ctx, login)
}

func (s onlyLogin) Close() error { return nil }

package pop3_test

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 4648 section 3.5: of the texts that a loose decoder takes for the same
// octets one is base64.
func TestBase64IsStrict(t *testing.T) {
	client := pipe(t, newFakeStore().server())
	for _, text := range []string{
		"AG1yb3NlAHNlY3JldB==", "AG1yb3NlAHNlY3JldA", "AG1yb3NlAHNlY3JldA=", "AG1yb3NlAHN\rlY3JldA==", "AG1yb3NlAHNlY3JldA== ==",
		"=AAA", "AAA=BBB", "AG1yb3NlAHNlY3JldA==AAAA", "AG1yb3NlAHNlY3JldA-_", "A", "====", // RFC 5034 section 4 names the first two
	} {
		require.Equal(t, "-ERR not base64", client.Command("AUTH PLAIN "+text), "%q", text)
		client.Command("CAPA")
		client.Body()
	}
	require.Equal(t, "+OK maildrop has 0 messages", client.Command("AUTH PLAIN AG1yb3NlAHNlY3JldA=="))
}

// RFC 4616 section 2: an authentication identity, and no control characters.
func TestPLAINIsStrict(t *testing.T) {
	server := newFakeStore().server()
	server.MaxAuthTries = -1
	client := pipe(t, server)
	for _, response := range []string{"\x00\x00x", "\x00a\x01b\x00x", "a\x01b\x00a\x00x", "\x00a\x00b\x00c", "a\x00b", ""} {
		text := base64.StdEncoding.EncodeToString([]byte(response))
		if text == "" {
			text = "="
		}
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+text), "%q", response)
	}
}

func TestAPasswordHasNoNUL(t *testing.T) {
	client := pipe(t, newFakeStore().server())
	client.Command("USER mrose")
	require.Equal(t, "-ERR NUL in a command", client.Command("PASS sec\x00ret"))
}

// threeSteps is a session with a mechanism of two challenges, and one that comes
// with the success. It also has APOP, which is off.
type threeSteps struct {
	nobody
	step int
}

func (*threeSteps) Mechanisms() []string { return []string{"STEPS"} }
func (s *threeSteps) StartSASL(context.Context, string, mailbox.Login) (pop3.SASLExchange, error) {
	s.step = 0
	return s, nil
}

func (s *threeSteps) Next(context.Context, []byte) (challenge []byte, done bool, err error) {
	s.step++
	return []byte("?"), s.step == 3, nil
}

func (*threeSteps) User() string { return "mrose" }
func (*threeSteps) Mailbox(ctx context.Context) (mailbox.Mailbox, error) {
	return newFakeStore().Open(ctx, mailbox.Login{})
}

func (*threeSteps) APOPEnabled() bool { return false }
func (s *threeSteps) APOP(ctx context.Context, _ mailbox.Login, _, _ string) (mailbox.Mailbox, error) {
	return s.Mailbox(ctx)
}

func TestAnExchangeOfManySteps(t *testing.T) {
	brake := new(recordingBrake)
	server := insecure(pop3.HandlerFunc(func(context.Context, *pop3.Conn) (pop3.Session, error) { return new(threeSteps), nil }))
	server.Brake = brake
	client := pipe(t, server)
	require.Equal(t, "-ERR APOP is not offered here", client.Command("APOP mrose c4c9334bac560ecc979e58001b3e22fb"))
	require.Equal(t, "+ Pw==", client.Command("AUTH STEPS"))
	require.Equal(t, "+ Pw==", client.Command("AAAA"))
	require.Equal(t, "+ Pw==", client.Command("AAAA"))
	require.Equal(t, "-ERR an empty line was expected", client.Command("AAAA"), "after the last challenge")
	require.Equal(t, []string{"mrose"}, brake.began, "the brake is asked once")
	require.Zero(t, brake.checks)

	client.Command("AUTH STEPS")
	client.Command("AAAA")
	client.Command("AAAA")
	require.Equal(t, "+OK maildrop has 0 messages", client.Command(""))
	require.Equal(t, []string{"mrose", "mrose"}, brake.began)
}

// A login that failed leaves no name behind, whatever the session has set.
func TestAFailedLoginHasNoUser(t *testing.T) {
	store := newFakeStore()
	store.storeErr = mailbox.ErrTemporary
	server := insecure(pop3.Login(pop3test.AnyPassword(), store))
	var user string
	server.Hooks = &pop3.Hooks{Command: func(_ context.Context, c *pop3.Conn, _ pop3.CommandInfo) { user = c.User() }}
	client := pipe(t, server)
	client.Command("USER mrose")
	require.Equal(t, temporaryAnswer, client.Command("PASS secret"))
	client.Command("CAPA")
	client.Body()
	require.Empty(t, user)
}

func TestAPOPNamesHaveNoControlCharacters(t *testing.T) {
	client := pipe(t, insecure(pop3.Login(pop3.Users{"mrose": "secret"}.SharedSecrets(), newFakeStore())))
	require.Equal(t, "-ERR user name and digest expected", client.Command("APOP a\x01b c4c9334bac560ecc979e58001b3e22fb"))
}

// RFC 4616 section 2: to act for oneself is to ask for nothing, whatever the
// name of the mailbox is.
func TestPLAINForOneself(t *testing.T) {
	mapped := pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) { return "box-7", nil })
	client := pipe(t, insecure(pop3.Login(mapped, newFakeStore())))
	text := base64.StdEncoding.EncodeToString([]byte("mrose\x00mrose\x00secret"))
	require.Equal(t, "+OK maildrop has 0 messages", client.Command("AUTH PLAIN "+text))
}

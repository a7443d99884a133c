package auth

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/secret"
	"github.com/popcask/popcask/pop3"
)

func parse(t testing.TB, text string) *Users {
	t.Helper()
	u, err := ParseUsers(strings.NewReader(text))
	require.NoError(t, err)
	return u
}

// tokens is an authenticator that knows tokens only.
type tokens map[string]string

func (tokens) Authenticate(context.Context, mailbox.Login) (string, error) { panic("not offered") }
func (t tokens) AuthenticateToken(_ context.Context, login mailbox.Login) (string, error) {
	if user, ok := t[login.Token]; ok {
		return user, nil
	}
	return "", &pop3.TokenError{Scope: "mail"}
}
func (tokens) Offers(mechanism string) bool {
	return mechanism == "XOAUTH2" || mechanism == "OAUTHBEARER"
}

func failing(err error) pop3.Authenticator {
	return pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) { return "", err })
}

func offered(a pop3.Authenticator) string {
	var offered []string
	for _, mechanism := range []string{"USER", "APOP", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "EXTERNAL", "ANONYMOUS"} {
		if pop3.Offers(a, mechanism) {
			offered = append(offered, mechanism)
		}
	}
	return strings.Join(offered, " ")
}

func TestChainOffers(t *testing.T) {
	plain, hashed := parse(t, "alice:a"), parse(t, "bob:"+hash(t, "b", bcrypt.MinCost))
	keys, err := secret.NewSCRAM(crypto.SHA256, "c", 0)
	require.NoError(t, err)
	scram := parse(t, "carol:"+secret.Keys(keys).Encode())
	for _, test := range []struct {
		chain Chain
		want  string
	}{
		{nil, ""},
		{Chain{plain}, "USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1"},
		{Chain{plain, scram}, "USER PLAIN LOGIN SCRAM-SHA-256"},
		{Chain{plain, hashed}, "USER PLAIN LOGIN"},
		{Chain{scram, tokens{}}, "USER PLAIN LOGIN SCRAM-SHA-256 OAUTHBEARER XOAUTH2"},
		{Chain{Chain{tokens{}, plain}, Chain{scram}}, "USER PLAIN LOGIN SCRAM-SHA-256 OAUTHBEARER XOAUTH2"},
		{Chain{tokens{}}, "OAUTHBEARER XOAUTH2"},
		{Chain{failing(nil)}, "USER PLAIN LOGIN"},
	} {
		require.Equal(t, test.want, offered(test.chain))
		require.Equal(t, test.want, offered(&Cache{Authenticator: test.chain}))
	}
}

func TestChain(t *testing.T) {
	away := errors.New("away")
	chain := Chain{tokens{"t": "tom"}, parse(t, "alice:a\nboth:1"), parse(t, "bob:b\nboth:2")}
	for _, test := range []struct {
		chain          Chain
		user, password string
		want           string
		err            error
	}{
		{chain, "alice", "a", "alice", nil},
		{chain, "bob", "b", "bob", nil},
		{chain, "both", "1", "both", nil},
		{chain, "both", "2", "both", nil},
		{chain, "alice", "b", "", mailbox.ErrAuthFailed},
		{chain, "nobody", "b", "", mailbox.ErrAuthFailed},
		{nil, "alice", "a", "", mailbox.ErrAuthFailed},
		{Chain{failing(away), chain}, "bob", "b", "bob", nil},
		{Chain{failing(away), chain}, "bob", "c", "", away},
		{Chain{chain, failing(away)}, "bob", "b", "bob", nil},
		{Chain{chain, failing(mailbox.ErrNoSuchUser)}, "bob", "c", "", mailbox.ErrNoSuchUser},
	} {
		user, err := test.chain.Authenticate(t.Context(), mailbox.Login{Mechanism: "PLAIN", User: test.user, Password: test.password})
		require.Equal(t, test.want, user)
		require.ErrorIs(t, err, test.err)
	}
	user, err := chain.AuthenticateToken(t.Context(), mailbox.Login{Mechanism: "XOAUTH2", Token: "t"})
	require.NoError(t, err)
	require.Equal(t, "tom", user)
	_, err = chain.AuthenticateToken(t.Context(), mailbox.Login{Mechanism: "XOAUTH2", Token: "u"})
	var why *pop3.TokenError
	require.ErrorAs(t, err, &why)
	require.Equal(t, "mail", why.Scope)
	_, err = chain.AuthenticateCertificate(t.Context(), mailbox.Login{Mechanism: "EXTERNAL"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	_, err = chain.AuthenticateAnonymous(t.Context(), mailbox.Login{Mechanism: "ANONYMOUS"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
}

// counted counts how often the secret of a user is looked for.
type counted struct {
	*Users
	lookups *int
}

func (c counted) SharedSecret(ctx context.Context, login mailbox.Login) (string, string, error) {
	*c.lookups++
	return c.Users.SharedSecret(ctx, login)
}

// All of a chain are asked for a secret, and the challenge is the same whoever
// the client wants to act for.
func TestChainOfSecrets(t *testing.T) {
	var lookups int
	chain := Chain{counted{parse(t, "alice:a"), &lookups}, counted{parse(t, "bob:b"), &lookups}}
	for _, test := range [][3]string{{"alice", "a", "alice"}, {"bob", "b", "bob"}, {"bob@x", "b", "bob"}, {"nobody", "", ""}} {
		lookups = 0
		shared, user, err := chain.SharedSecret(t.Context(), mailbox.Login{User: test[0], Mechanism: "APOP"})
		require.Equal(t, test[1:], [](string){shared, user}, "%v", err)
		require.Equal(t, 2, lookups)

		keys, user, err := chain.SCRAMSecret(t.Context(), mailbox.Login{User: test[0], Mechanism: "SCRAM-SHA-256"}, crypto.SHA256)
		require.Equal(t, test[2], user)
		require.Equal(t, test[2] == "", errors.Is(err, mailbox.ErrAuthFailed))
		require.Equal(t, test[2] != "", keys.Fits(test[1]))
		other, _, err := chain.SCRAMSecret(t.Context(), mailbox.Login{User: test[0], AuthorizationID: "carol", Mechanism: "SCRAM-SHA-256"}, crypto.SHA256)
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		require.Equal(t, keys.Salt, other.Salt)
		require.Equal(t, keys.Iterations, other.Iterations)
	}
	away := errors.New("away")
	_, _, err := Chain{sharedFails{away}, parse(t, "bob:b")}.SharedSecret(t.Context(), mailbox.Login{User: "alice", Mechanism: "APOP"})
	require.ErrorIs(t, err, away)
	_, user, err := Chain{sharedFails{away}, parse(t, "bob:b")}.SharedSecret(t.Context(), mailbox.Login{User: "bob", Mechanism: "APOP"})
	require.NoError(t, err)
	require.Equal(t, "bob", user)
}

type sharedFails struct{ err error }

func (s sharedFails) Authenticate(context.Context, mailbox.Login) (string, error) { return "", s.err }
func (s sharedFails) SharedSecret(context.Context, mailbox.Login) (string, string, error) {
	return "", "", s.err
}

// Keys that one of a chain has made up are not replaced by those of one that makes
// up none; and what somebody wants to act for costs as many looks for nobody.
func TestChainShowsNobodyWhoExists(t *testing.T) {
	dear, err := secret.NewSCRAM(crypto.SHA256, "a", 20_000)
	require.NoError(t, err)
	var lookups int
	chain := Chain{countedSCRAM{parse(t, "alice:"+secret.Keys(dear).Encode()), &lookups}, tokens{"t": "tom"}, countedSCRAM{parse(t, "bob:b"), &lookups}}
	ask := func(user, actsFor string) (secret.SCRAM, int) {
		lookups = 0
		keys, _, _ := chain.SCRAMSecret(t.Context(), mailbox.Login{User: user, AuthorizationID: actsFor, Mechanism: "SCRAM-SHA-256"}, crypto.SHA256)
		return keys, lookups
	}
	for _, actsFor := range []string{"", "carol"} {
		known, looks := ask("alice", actsFor)
		nobody, looksOfNobody := ask("nobody", actsFor)
		require.Equal(t, known.Iterations, nobody.Iterations)
		require.Equal(t, looks, looksOfNobody)
	}
}

type countedSCRAM struct {
	*Users
	lookups *int
}

func (c countedSCRAM) SCRAMSecret(ctx context.Context, login mailbox.Login, hash crypto.Hash) (secret.SCRAM, string, error) {
	*c.lookups++
	return c.Users.SCRAMSecret(ctx, login, hash)
}

// One that offers a mechanism for no users of its own is not asked.
func TestChainAsksOnlyThoseWhoOffer(t *testing.T) {
	chain := Chain{&Cache{Authenticator: tokens{"t": "tom"}}, parse(t, "alice:a")}
	require.Equal(t, "USER APOP PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2", offered(chain))
	shared, user, err := chain.SharedSecret(t.Context(), mailbox.Login{User: "alice", Mechanism: "APOP"})
	require.NoError(t, err)
	require.Equal(t, "a alice", shared+" "+user)
	silent := Chain{offersNothing{parse(t, "alice:a")}, parse(t, "bob:b")}
	_, err = silent.Authenticate(t.Context(), mailbox.Login{User: "alice", Password: "a", Mechanism: "PLAIN"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	_, _, err = silent.SharedSecret(t.Context(), mailbox.Login{User: "alice", Mechanism: "APOP"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
	_, _, err = (&Cache{Authenticator: tokens{}}).SharedSecret(t.Context(), mailbox.Login{User: "alice"})
	require.ErrorIs(t, err, mailbox.ErrAuthFailed)
}

// offersNothing is users who may not log in.
type offersNothing struct{ *Users }

func (offersNothing) Offers(string) bool { return false }

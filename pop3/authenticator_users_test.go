package pop3_test

import (
	"encoding/base64"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
)

// Only a user's own password logs in, under any spelling of the name. All
// failures are the same error.
func TestUsersKnowOnlyTheirPasswords(t *testing.T) {
	users := pop3.Users{
		"demo": "secret", "Bob@Example.org": "two words", "jos\u00e9": "e", "empty": "", "": "nameless", "a\x00b": "control",
		"TWICE": "first", "twice": "second",
	}
	for _, test := range []struct {
		name, password string
		user           string // "" if the login fails
	}{
		{"demo", "secret", "demo"},
		{"Demo", "secret", "demo"},
		{"DEMO", "secret", "demo"},
		{"bob@example.org", "two words", "bob@example.org"},
		{"BOB@EXAMPLE.ORG", "two words", "bob@example.org"},
		{"jose\u0301", "e", "jos\u00e9"}, // NFD
		{"twice", "second", "twice"},

		{"twice", "first", ""},
		{"demo", "Secret", ""},
		{"demo", "secret ", ""},
		{"demo", "secre", ""},
		{"demo", "", ""},
		{"demo ", "secret", ""},
		{"demo", "two words", ""},
		{"nobody", "secret", ""},
		{"nobody", "", ""},
		{"empty", "", ""},
		{"empty", "x", ""},
		{"", "nameless", ""},
		{"", "", ""},
		{"a\x00b", "control", ""},
		{"\xff", "secret", ""},
	} {
		login := mailbox.Login{User: test.name, Password: test.password}
		user, err := users.Authenticate(t.Context(), login)
		require.Equal(t, test.user, user, "%q with %q", test.name, test.password)
		if test.user == "" {
			require.Equal(t, mailbox.ErrAuthFailed, err, "%q with %q", test.name, test.password)
			continue
		}
		require.NoError(t, err)
		secret, user, err := users.SharedSecrets().SharedSecret(t.Context(), login)
		require.NoError(t, err)
		require.Equal(t, test.password, secret)
		require.Equal(t, test.user, user)
	}
	for _, name := range []string{"nobody", "empty", "", "\xff"} {
		_, _, err := users.SharedSecrets().SharedSecret(t.Context(), mailbox.Login{User: name})
		require.Equal(t, mailbox.ErrAuthFailed, err, name)
	}
	_, err := pop3.Users(nil).Authenticate(t.Context(), mailbox.Login{User: "demo", Password: "secret"})
	require.Equal(t, mailbox.ErrAuthFailed, err)
}

// A client finds the user's mail by any spelling of the name, over USER, PLAIN
// and APOP. APOP is offered only if the host asks for it.
func TestUsersFindTheirMail(t *testing.T) {
	var store memory.Store
	require.NoError(t, store.LoadFS(t.Context(), fstest.MapFS{"demo/1.eml": {Data: []byte("Subject: x\n\nbody\n")}}))
	users := pop3.Users{"Demo": "secret"}
	for _, name := range []string{"demo", "DEMO"} {
		server := insecure(pop3.Login(users, &store))
		client := pipe(t, server)
		require.NotContains(t, client.Greeting, "<")
		require.Equal(t, "-ERR APOP is not offered here", client.Command("APOP "+name+" c4c9334bac560ecc979e58001b3e22fb"))
		client.Login(name, "secret")
		require.Equal(t, "+OK 1 20", client.Command("STAT"))

		client = pipe(t, server)
		plain := base64.StdEncoding.EncodeToString([]byte(name + "\x00" + name + "\x00secret"))
		require.Equal(t, "+OK maildrop has 1 messages", client.Command("AUTH PLAIN "+plain))

		client = pipe(t, server)
		other := base64.StdEncoding.EncodeToString([]byte("other\x00" + name + "\x00secret"))
		require.Equal(t, authAnswer, client.Command("AUTH PLAIN "+other), "no user acts for another")

		client = pipe(t, insecure(pop3.Login(users.SharedSecrets(), &store)))
		digest := apopDigest(timestamp.FindString(client.Greeting), "secret")
		require.Equal(t, "+OK maildrop has 1 messages", client.Command("APOP "+name+" "+digest))
	}
}

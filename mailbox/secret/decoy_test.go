package secret_test

import (
	"crypto"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/secret"
)

// What is made up of a user that does not exist is the same for every spelling of
// the name, in every process with the key; else it is as different as the salts
// of users are. A password that is kept as it is has the salt of nobody.
func TestDecoy(t *testing.T) {
	salt := func(key, name string, hash crypto.Hash) string {
		return string(secret.NewDecoy([]byte(key)).MadeUp(name, hash, nil).Salt)
	}
	same := salt("key", "bob@example.org", crypto.SHA256)
	require.Len(t, same, 16)
	require.Equal(t, same, salt("key", "Bob@Example.ORG", crypto.SHA256))
	require.NotEqual(t, same, salt("another key", "bob@example.org", crypto.SHA256))
	require.NotEqual(t, same, salt("key", "bob", crypto.SHA256))
	require.NotEqual(t, same, salt("key", "bob@example.org", crypto.SHA1))
	derived, err := secret.NewDecoy([]byte("key")).DeriveFor("Bob@example.org", crypto.SHA256, "p")
	require.NoError(t, err)
	require.Equal(t, same, string(derived.Salt))
	require.True(t, derived.Fits("p"))
}

package secret_test

import (
	"crypto"
	"crypto/sha256"
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
	for _, length := range []int{1, 16, 32, 33, 64, 100} {
		like := []secret.SCRAM{{Hash: crypto.SHA256, Salt: make([]byte, length), Iterations: 5000}}
		keys := secret.NewDecoy([]byte("key")).MadeUp("bob@example.org", crypto.SHA256, like)
		require.Len(t, keys.Salt, length, "as those of users")
		require.Equal(t, same[:min(16, length)], string(keys.Salt[:min(16, length)]))
		require.Equal(t, 5000, keys.Iterations)
		if length > 64 {
			require.NotEqual(t, keys.Salt[:32], keys.Salt[32:64])
			require.NotEqual(t, keys.Salt[32:64], keys.Salt[64:96])
			sum := sha256.Sum256(keys.Salt[:32])
			require.NotEqual(t, sum[:], keys.Salt[32:64], "anybody could see that it was made up")
		}
	}
	derived, err := secret.NewDecoy([]byte("key")).DeriveFor("Bob@example.org", crypto.SHA256, "p")
	require.NoError(t, err)
	require.Equal(t, same, string(derived.Salt))
	require.True(t, derived.Fits("p"))
}

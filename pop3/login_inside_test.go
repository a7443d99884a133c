package pop3

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
)

// A digest is computed for nobody too: the time shows who exists otherwise.
func TestDigestsAreComputedForNobody(t *testing.T) {
	s := &loginSession{login: &login{Authenticator: Users{"mrose": "secret"}.SharedSecrets()}}
	for _, user := range []string{"mrose", "nobody"} {
		computed := 0
		_, err := s.shared(t.Context(), mailbox.Login{User: user, Mechanism: "APOP"}, func(string) []byte {
			computed++
			return nil
		}, "00")
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		require.Equal(t, 1, computed, user)
	}
}

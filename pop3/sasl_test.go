package pop3_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// RFC 4648 section 3.5: of the texts that a loose decoder takes for the same
// octets one is base64.
func TestBase64IsStrict(t *testing.T) {
	client := pipe(t, newFakeStore().server())
	for _, text := range []string{
		"AG1yb3NlAHNlY3JldB==", "AG1yb3NlAHNlY3JldA", "AG1yb3NlAHNlY3JldA=", "AG1yb3NlAHN\rlY3JldA==", "AG1yb3NlAHNlY3JldA== ==",
	} {
		require.Equal(t, "-ERR not base64", client.Command("AUTH PLAIN "+text), "%q", text)
		client.Command("CAPA")
		client.Body()
	}
	require.Equal(t, "+OK maildrop has 0 messages", client.Command("AUTH PLAIN AG1yb3NlAHNlY3JldA=="))
}

package pop3_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 2449 section 6.7: EXPIRE says how long the store keeps messages, before
// and after the login.
func TestEXPIRE(t *testing.T) {
	for want, server := range map[string]*pop3.Server{
		"NEVER":       insecure(pop3.Login(pop3test.AnyPassword(), new(memory.Store))),
		"30":          insecure(pop3.Login(pop3test.AnyPassword(), &memory.Store{Expire: 30*24*time.Hour + time.Hour})),
		"0":           insecure(pop3.Login(pop3test.AnyPassword(), &memory.Store{Expire: time.Hour})),
		"(no EXPIRE)": newFakeStore().server(),
	} {
		client := pipe(t, server)
		require.Equal(t, want, capability(t, client.Client, "EXPIRE"))
		client.Login("mrose", "x")
		require.Equal(t, want, capability(t, client.Client, "EXPIRE"))
	}
}

// EXPIRE 0: QUIT removes what RETR has sent, and nothing else. RSET forgets what
// was retrieved.
func TestDeleteRetrieved(t *testing.T) {
	for input, removed := range map[string][]string{
		"RETR 1\r\nTOP 2 0\r\nRETR 3\r\nQUIT\r\n":                {"a", "c"},
		"RETR 1\r\nRETR 1\r\nDELE 1\r\nDELE 2\r\nQUIT\r\n":       {"a", "b"},
		"RETR 1\r\nRSET\r\nQUIT\r\n":                             nil,
		"RETR 1\r\nRSET\r\nRETR 2\r\nQUIT\r\n":                   {"b"},
		"RETR 9\r\nDELE 1\r\nRETR 1\r\nQUIT\r\n":                 {"a"},
		"RETR 1\r\nSTAT\r\nUIDL\r\nRETR 2\r\nRETR 3\r\nQUIT\r\n": {"a", "b", "c"},
	} {
		host := newFakeHost("one", "two", "three")
		server := insecure(host)
		server.DeleteRetrieved = true
		answers := transcript(t, server, goodLogin+"CAPA\r\n"+input)
		require.Contains(t, answers, "\r\nEXPIRE 0\r\n")
		require.Equal(t, removed, host.removed(), "%q", input)
	}
}

func TestDeleteRetrievedNeedsQUIT(t *testing.T) {
	host := newFakeHost("one")
	server := insecure(host)
	server.DeleteRetrieved = true
	client := pipe(t, server)
	client.Login("demo", "x")
	client.Command("RETR 1")
	client.Body()
	client.conn.Close()
	<-client.over
	require.Empty(t, host.removed())
}

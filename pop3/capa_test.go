package pop3_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/pop3"
)

// RFC 2449 section 5: a capability is a line of the multi-line response, and
// "limited to 512 octets (including the CRLF)".
func TestNoHostBreaksOutOfACapability(t *testing.T) {
	server := newFakeStore().server()
	server.Implementation = "a\r\nSTLS\r\n.\r\n" + strings.Repeat("x", 2000)
	server.Capabilities = func(_ *pop3.Conn, list []string) []string {
		return append(list, "EXPIRE 0\r\n.\r\n+OK", "X-LONG "+strings.Repeat("y", 2000), "EXPIRE NEVER")
	}
	client := loggedIn(t, server)
	status, body := client.Multi("CAPA")
	require.Equal(t, "+OK capabilities follow", status)
	lines := strings.Split(strings.TrimSuffix(string(body), "\r\n"), "\r\n")
	require.NotContains(t, lines, "STLS")
	require.Equal(t, "EXPIRE NEVER", lines[len(lines)-1], "the response goes to its end")
	for _, line := range lines {
		require.LessOrEqual(t, len(line)+len("\r\n"), 512)
		require.NotContains(t, line, "\n")
		require.NotContains(t, line, "\r")
	}
	require.Equal(t, "+OK 0 0", client.Command("STAT"))
}

// RFC 2449 sections 6.5 and 6.7: a host whose policies differ lists before the
// login what holds for any user, with USER, and after it what holds for the one that
// has logged in.
func TestCapabilitiesOfAUser(t *testing.T) {
	server := newFakeStore().server()
	server.Capabilities = func(c *pop3.Conn, list []string) []string {
		if c.User() == "" {
			return append(list, "EXPIRE 7 USER", "LOGIN-DELAY 900 USER")
		}
		return append(list, "EXPIRE "+map[string]string{"demo": "30"}[c.User()], "LOGIN-DELAY 60")
	}
	client := pipe(t, server)
	expect := func(expire, delay string) {
		require.Equal(t, expire, capability(t, client.Client, "EXPIRE"))
		require.Equal(t, delay, capability(t, client.Client, "LOGIN-DELAY"))
	}
	expect("7 USER", "900 USER")
	client.Command("USER demo")
	expect("7 USER", "900 USER")
	client.Command("PASS secret")
	expect("30", "60")
}

// RFC 1939 section 3: a capability of the host is byte-stuffed, so that it
// cannot end the response.
func TestCapabilitiesAreByteStuffed(t *testing.T) {
	host := newFakeHost("one")
	server := faultyServer(host)
	server.Capabilities = func(*pop3.Conn, []string) []string {
		return []string{"A", ".", "..", ".B", "C\r\n.\r\n+OK", strings.Repeat("x", 1000)}
	}
	require.Equal(t, "+OK POP3 server ready <>\r\n+OK capabilities follow\r\nA\r\n..\r\n...\r\n..B\r\nC.+OK\r\n"+strings.Repeat("x", 510)+"\r\n.\r\n+OK bye\r\n",
		transcript(t, server, "CAPA\r\nQUIT\r\n"))
}

// Server.Capabilities may add capabilities (LOGIN-DELAY and EXPIRE, RFC 2449
// sections 6.5 and 6.7) and leave some out.
func TestCapabilitiesOfTheHost(t *testing.T) {
	server := newFakeStore().server()
	server.Capabilities = func(c *pop3.Conn, list []string) []string {
		kept := []string{"EXPIRE 60", "LOGIN-DELAY 900"}
		for _, capability := range list {
			if capability != "TOP" {
				kept = append(kept, capability)
			}
		}
		return kept
	}
	client := loggedIn(t, server)
	_, body := client.Multi("CAPA")
	require.Equal(t, "EXPIRE 60\r\nLOGIN-DELAY 900\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nLANG\r\nUTF8 USER\r\nUSER\r\nSASL PLAIN LOGIN\r\n", string(body))
}

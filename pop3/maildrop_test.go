package pop3_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 1939 section 5: "After the POP3 server has opened the maildrop, it
// assigns a message-number to each message". The numbers hold for the session,
// even after RSET, while other sessions deliver and remove messages. The next
// session sees those changes.
func TestNumbersHoldForTheSession(t *testing.T) {
	store := new(memory.Store)
	deliver := func(body string) {
		_, err := mailbox.Deliver(t.Context(), store, mailbox.To("mrose"), strings.NewReader(body))
		require.NoError(t, err)
	}
	deliver("one\n")
	deliver("two\n")
	deliver("three\n")
	server := pop3test.NewServer(t, pop3.Login(pop3test.AnyPassword(), store))
	first, second := server.Dial(t), server.Dial(t)
	first.Login("mrose", "secret")
	second.Login("mrose", "secret")
	second.Command("DELE 2")
	require.Equal(t, "+OK 3 17", first.Command("STAT"), "a mark is the other's own")
	second.Quit()
	deliver("four\n")

	require.Equal(t, "+OK 3 17", first.Command("STAT"))
	_, listing := first.Multi("LIST")
	require.Equal(t, "1 5\r\n2 5\r\n3 7\r\n", string(listing))
	_, listing = first.Multi("UIDL")
	require.Equal(t, "1 m1\r\n2 m2\r\n3 m3\r\n", string(listing))
	require.Equal(t, "-ERR no such message", first.Command("RETR 2"))
	_, body := first.Multi("RETR 3")
	require.Equal(t, "three\r\n", string(body))
	require.Equal(t, "-ERR no such message", first.Command("RETR 4"))
	require.Equal(t, "+OK maildrop has 3 messages", first.Command("RSET"))
	require.Equal(t, "+OK 3 17", first.Command("STAT"))

	// To remove what another session has removed is a success (P3, P4).
	require.Equal(t, "+OK message 2 deleted", first.Command("DELE 2"))
	require.Equal(t, "+OK message 1 deleted", first.Command("DELE 1"))
	require.Equal(t, "+OK bye", first.Quit())

	next := server.Dial(t)
	next.Login("mrose", "secret")
	_, listing = next.Multi("UIDL")
	require.Equal(t, "1 m3\r\n2 m4\r\n", string(listing))
}

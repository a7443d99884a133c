package pop3_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// RFC 1939 section 7: a unique-id has 1 to 70 octets in the range 0x21 to 0x7E
// and "uniquely identifies a message within a maildrop". A store that breaks
// that does not lock its user out: a wrong unique-id is replaced by another,
// which is the same in every session and does not depend on the other messages.
func TestUIDLsOfAStoreAreMadeLegalAndDistinct(t *testing.T) {
	messages := []mailbox.Message{
		{ID: "a", UIDL: "same"},
		{ID: "b", UIDL: "with blank"},
		{ID: "c", UIDL: "same"},
		{ID: "d", UIDL: "CRLF\r\n.\r\n+OK"},
		{ID: "e", UIDL: strings.Repeat("x", 71)},
		{ID: "f", UIDL: strings.Repeat("x", 70)},
		{ID: "g", UIDL: "umläut"},
		{ID: "h", UIDL: "f"}, // the ID of message f, which has another unique-id
		{ID: "same"},         // the unique-id of others
		{ID: "illegal id"},   // an ID need not be a unique-id
		{ID: "plain"},
	}
	faults := 0
	first := uidlsOf(t, messages, &faults)
	require.Equal(t, 3+4, faults, "three share one, four are illegal; an ID may be anything")
	for i, uidl := range first {
		require.True(t, mailbox.ValidUIDL(uidl), "%d %q", i+1, uidl)
		require.NotContains(t, append(first[:i:i], first[i+1:]...), uidl)
	}
	require.Equal(t, strings.Repeat("x", 70), first[5], "a legal one stays")
	require.Equal(t, "f", first[7])
	require.Equal(t, "plain", first[10])
	for _, i := range []int{1, 3, 4, 6, 9} {
		require.Equal(t, mailbox.UIDL(messages[i]), first[i], "an illegal one is what mailbox.UIDL makes of it")
	}
	require.Equal(t, first, uidlsOf(t, messages, &faults), "the same in the next session")

	// They do not depend on the order of the messages.
	reversed := make([]mailbox.Message, len(messages))
	for i, m := range messages {
		reversed[len(messages)-1-i] = m
	}
	for i, uidl := range uidlsOf(t, reversed, &faults) {
		require.Equal(t, first[len(messages)-1-i], uidl)
	}
}

func uidlsOf(t *testing.T, messages []mailbox.Message, faults *int) (list []string) {
	store := newFakeStore()
	store.messages = messages
	*faults = 0
	server := store.server()
	server.Hooks = &pop3.Hooks{Fault: func(context.Context, *pop3.Conn, error) { *faults++ }}
	client := loggedIn(t, server)
	status, listing := client.Multi("UIDL")
	require.Equal(t, "+OK unique-ids follow", status)
	for i, line := range strings.Split(strings.TrimSuffix(string(listing), "\r\n"), "\r\n") {
		number, uidl, _ := strings.Cut(line, " ")
		require.Equal(t, strconv.Itoa(i+1), number)
		require.Equal(t, "+OK "+line, client.Command("UIDL "+number))
		list = append(list, uidl)
	}
	client.Multi("UIDL") // a fault is reported once a session
	require.Equal(t, "+OK bye", client.Quit())
	return list
}

func TestTwoMessagesWithOneIDAreFaults(t *testing.T) {
	store := newFakeStore("a", "b")
	store.messages[1].ID = store.messages[0].ID
	server := store.server()
	faults := 0
	server.Hooks = &pop3.Hooks{Fault: func(context.Context, *pop3.Conn, error) { faults++ }}
	transcript(t, server, goodLogin+"UIDL\r\nQUIT\r\n")
	require.Equal(t, 2, faults)
}

package pop3_test

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
	"github.com/stretchr/testify/require"
)

// awkwardBodies break a count or a stuffing somewhere.
var awkwardBodies = []string{
	"", ".", "\r", "\n", "\r\n", ".\r\n", "\r\n.", "\n.\n", "a", "a\r", "a\n", "a\r\r\n", "\r.\r\n",
	".\n.\n.\n", "..", "Subject: x\n\n.a\n..b\n", "a\rb", "\x00", "\xff\xfe\r\n", strings.Repeat("x", 998) + "\n",
	strings.Repeat(".\n", 9000), strings.Repeat("x", 40_000), strings.Repeat("0123456789abcdef\r\n", 2500),
}

// P6: STAT equals the count and the sum of LIST; LIST n equals the octets that
// RETR n sends, after un-stuffing. From a store that knows the sizes and from
// one that does not, from bodies that write themselves and from bodies that come
// in pieces of any size.
func TestP6STATAndLISTAreWhatRETRSends(t *testing.T) {
	pieceSizes := []int{1, 7, 4096}
	for _, known := range []bool{true, false} {
		for _, size := range append(pieceSizes, 0) {
			t.Run(fmt.Sprintf("known=%t/pieces=%d", known, size), func(t *testing.T) {
				t.Parallel()
				store := newShelf(awkwardBodies...)
				for i := range store.messages {
					if !known {
						store.messages[i].Size = -1
					}
				}
				if size > 0 {
					store.open = func(id string, _ mailbox.OpenOptions) (io.ReadCloser, error) {
						return &pieces{rest: inPieces(store.bodies[id], size)}, nil
					}
				}
				requireTrueSizes(t, session(t, store.server()), len(awkwardBodies))
			})
		}
	}
}

func requireTrueSizes(t *testing.T, client *pop3test.Client, messages int) {
	sum := 0
	_, listing := client.Multi("LIST")
	var lines strings.Builder
	for i := range messages {
		status, body := client.Multi("RETR " + strconv.Itoa(i+1))
		require.True(t, strings.HasPrefix(status, "+OK"), status)
		require.Equal(t, fmt.Sprintf("+OK %d %d", i+1, len(body)), client.Command("LIST "+strconv.Itoa(i+1)))
		fmt.Fprintf(&lines, "%d %d\r\n", i+1, len(body))
		sum += len(body)
	}
	require.Equal(t, lines.String(), string(listing))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages, sum), client.Command("STAT"))

	client.Command("DELE 2")
	_, body := client.Multi("RETR " + strconv.Itoa(messages))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages-1, sum-1-len("\r\n")), client.Command("STAT")) // message 2 is "."
	client.Command("DELE " + strconv.Itoa(messages))
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages-2, sum-3-len(body)), client.Command("STAT"))
	client.Command("RSET")
	require.Equal(t, fmt.Sprintf("+OK %d %d", messages, sum), client.Command("STAT"))
}

func inPieces(text string, size int) (list []string) {
	for len(text) > size {
		list = append(list, text[:size])
		text = text[size:]
	}
	if text != "" {
		list = append(list, text)
	}
	return list
}

// A size that the store does not know is counted once, and only where it is
// asked for.
func TestP6UnknownSizesAreCountedOnce(t *testing.T) {
	store := newShelf("a\n", "bb\n", "ccc\n")
	for i := range store.messages {
		store.messages[i].Size = -1
	}
	client := session(t, store.server())
	require.Equal(t, []string{"open maildrop"}, store.history(), "the login reads nothing")
	require.Equal(t, "+OK 2 4", client.Command("LIST 2"))
	require.Equal(t, []string{"open maildrop", "open id-2"}, store.history())

	client.Command("DELE 3")
	require.Equal(t, "+OK 2 7", client.Command("STAT"))
	require.Equal(t, []string{"open maildrop", "open id-2", "open id-1"}, store.history())
	client.Command("RSET")
	require.Equal(t, "+OK 3 12", client.Command("STAT"))
	require.Equal(t, "+OK 3 12", client.Command("STAT"))
	client.Multi("LIST")
	require.Equal(t, []string{"open maildrop", "open id-2", "open id-1", "open id-3"}, store.history())
}

// A message whose size must be counted and cannot be is a clean -ERR, and no
// wrong number.
func TestP6AFailedCountIsAnError(t *testing.T) {
	store := newShelf("a\n", "bb\n")
	store.messages[1].Size = -1
	store.openErr = mailbox.ErrTemporary
	client := session(t, store.server())
	for _, command := range []string{"STAT", "LIST", "LIST 2"} {
		require.Equal(t, temporaryAnswer, client.Command(command))
	}
	require.Equal(t, "+OK 1 3", client.Command("LIST 1"))

	store.openErr = nil
	store.open = func(string, mailbox.OpenOptions) (io.ReadCloser, error) {
		return &pieces{rest: []string{"b"}, err: errDisk}, nil
	}
	require.Equal(t, temporaryAnswer, client.Command("STAT"))
	store.open = nil
	require.Equal(t, "+OK 2 7", client.Command("STAT"))
}

// A store that says a wrong size: the message comes whole, and the host hears of
// it.
func TestWrongSizesOfAStoreAreFaults(t *testing.T) {
	for _, size := range []int64{0, 1, 1000} {
		store := newShelf("right\n", "Subject: x\n\nwrong\n")
		store.messages[1].Size = size
		faults := make(chan error, 10)
		server := store.server()
		server.Hooks = &pop3.Hooks{Fault: func(_ *pop3.Conn, err error) { faults <- err }}
		client := session(t, server)
		_, body := client.Multi("RETR 1")
		require.Equal(t, "right\r\n", string(body))
		_, body = client.Multi("TOP 2 0")
		require.Equal(t, "Subject: x\r\n\r\n", string(body))
		_, body = client.Multi("RETR 2")
		require.Equal(t, "Subject: x\r\n\r\nwrong\r\n", string(body))
		client.Command("NOOP")
		require.Len(t, faults, 1)
		require.ErrorContains(t, <-faults, `"id-2"`)
	}
}

// RFC 1939 section 7: a unique-id has 1 to 70 octets in the range 0x21 to 0x7E
// and "uniquely identifies a message within a maildrop". A store that breaks
// that does not lock its user out: what it says wrong is replaced by something
// that is always the same, for each session and whatever stands around it.
func TestUIDLsOfAStoreAreMadeLegalAndDistinct(t *testing.T) {
	messages := []mailbox.Message{
		{ID: "a", UIDL: "same"},
		{ID: "b", UIDL: "with blank"},
		{ID: "c", UIDL: "same"},
		{ID: "d", UIDL: "CRLF\r\n.\r\n+OK"},
		{ID: "e", UIDL: strings.Repeat("x", 71)},
		{ID: "f", UIDL: strings.Repeat("x", 70)},
		{ID: "g", UIDL: "umläut"},
		{ID: "h", UIDL: "f"}, // not the one of message f, which has its own
		{ID: "same"},         // what others have from their store
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

	// The order and the other messages decide nothing.
	reversed := make([]mailbox.Message, len(messages))
	for i, m := range messages {
		reversed[len(messages)-1-i] = m
	}
	for i, uidl := range uidlsOf(t, reversed, &faults) {
		require.Equal(t, first[len(messages)-1-i], uidl)
	}
}

func uidlsOf(t *testing.T, messages []mailbox.Message, faults *int) (list []string) {
	store := newShelf()
	store.messages = messages
	*faults = 0
	server := store.server()
	server.Hooks = &pop3.Hooks{Fault: func(*pop3.Conn, error) { *faults++ }}
	client := session(t, server)
	status, listing := client.Multi("UIDL")
	require.Equal(t, "+OK unique-ids follow", status)
	for i, line := range strings.Split(strings.TrimSuffix(string(listing), "\r\n"), "\r\n") {
		number, uidl, _ := strings.Cut(line, " ")
		require.Equal(t, strconv.Itoa(i+1), number)
		require.Equal(t, "+OK "+line, client.Command("UIDL "+number))
		list = append(list, uidl)
	}
	client.Multi("UIDL") // a fault is told once a session
	require.Equal(t, "+OK bye", client.Quit())
	return list
}

// RFC 1939 section 5: "After the POP3 server has opened the maildrop, it assigns
// a message-number to each message". It holds for the session, whatever others
// deliver and delete meanwhile, RSET included; the next session sees what they
// did.
func TestNumbersHoldForTheSession(t *testing.T) {
	store := new(memory.Store)
	deliver := func(body string) {
		delivery := mailbox.Delivery{Recipients: []mailbox.Recipient{{User: "mrose"}}}
		_, err := store.Append(context.Background(), delivery, strings.NewReader(body))
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

	// To delete what another session has deleted is no failure (P3, P4).
	require.Equal(t, "+OK message 2 deleted", first.Command("DELE 2"))
	require.Equal(t, "+OK message 1 deleted", first.Command("DELE 1"))
	require.Equal(t, "+OK bye", first.Quit())

	next := server.Dial(t)
	next.Login("mrose", "secret")
	_, listing = next.Multi("UIDL")
	require.Equal(t, "1 m3\r\n2 m4\r\n", string(listing))
}

// The store is asked for what is next, which is what is not marked.
func TestOpenOptionsSayWhatIsWantedAndWhatIsNext(t *testing.T) {
	store := newShelf("one\n", "two\n", "three\n", "four\n")
	var mu sync.Mutex
	var asked []string
	store.open = func(id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
		next := []string{}
		for id := range options.Next {
			next = append(next, id)
		}
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprintf("%s top=%t lines=%d next=%s", id, options.Top, options.Lines, next))
		return io.NopCloser(strings.NewReader(store.bodies[id])), nil
	}
	client := session(t, store.server())
	client.Command("DELE 3")
	client.Multi("RETR 1")
	client.Multi("TOP 2 7")
	client.Multi("RETR 4")
	client.Command("NOOP")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{
		"id-1 top=false lines=0 next=[id-2 id-4]",
		"id-2 top=true lines=7 next=[id-4]",
		"id-4 top=false lines=0 next=[]",
	}, asked)
}

package pop3_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// RFC 2449 sections 6.5 and 8.1.1: LOGIN-DELAY is listed, and a login that comes
// too soon gets the code of that name.
func TestLoginDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		server.LoginDelay = 90 * time.Second
		login := func(user string) string {
			client := pipe(t, server)
			require.Equal(t, "90", capability(t, client.Client, "LOGIN-DELAY"))
			client.Command("USER " + user)
			answer := client.Command("PASS x")
			client.Command("QUIT")
			return answer
		}
		const tooSoon = "-ERR [LOGIN-DELAY] too soon after the last login"
		require.Equal(t, emptyMaildrop, login("mrose"))
		require.Equal(t, tooSoon, login("MROSE"))
		require.Equal(t, emptyMaildrop, login("other"))
		time.Sleep(90*time.Second - 1)
		require.Equal(t, tooSoon, login("mrose"))
		time.Sleep(time.Nanosecond)
		require.Equal(t, emptyMaildrop, login("mrose"), "a login that was refused does not count")
		require.Equal(t, tooSoon, login("mrose"))
	})
}

// RFC 2449 section 8.1.1: it is "strongly recommended" not to answer USER by the
// code, since that would show that there is such a user. So does a wrong password.
func TestLoginDelayShowsNobodyWhoExists(t *testing.T) {
	server := insecure(pop3.Login(pop3.Users{"mrose": "secret"}, newFakeStore()))
	server.LoginDelay = time.Hour
	login := func(password string) string {
		client := pipe(t, server)
		require.Equal(t, "+OK send PASS", client.Command("USER mrose"))
		return client.Command("PASS " + password)
	}
	require.Equal(t, emptyMaildrop, login("secret"))
	require.Equal(t, authAnswer, login("wrong"))
	require.Equal(t, "-ERR [LOGIN-DELAY] too soon after the last login", login("secret"))
}

// Users whose time is over are forgotten.
func TestLoginDelayForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pop3.Pace)
		for range 50 {
			for i := range 200 {
				p.Note(fmt.Sprint("user", i, time.Now().UnixNano()), time.Second)
			}
			time.Sleep(time.Second)
		}
		require.LessOrEqual(t, p.Len(), 2000)
	})
}

// Of many logins at the same moment one succeeds, while its listing takes time.
func TestLoginDelayOfManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("one")
		host.set(inMessages, func(context.Context) error { time.Sleep(time.Second); return nil })
		server := insecure(host)
		server.LoginDelay = time.Hour
		answers := make(chan string, 10)
		for range cap(answers) {
			client := pipe(t, server)
			client.Command("USER demo")
			go func() { answers <- client.Command("PASS x") }()
		}
		count := make(map[string]int)
		for range cap(answers) {
			count[<-answers]++
		}
		require.Equal(t, map[string]int{"+OK maildrop has 1 messages": 1, "-ERR [LOGIN-DELAY] too soon after the last login": 9}, count)
	})
}

// A login whose listing fails was none: the user may try again at once.
func TestLoginDelayOfALoginThatFails(t *testing.T) {
	host := newFakeHost("one")
	server := insecure(host)
	server.LoginDelay = time.Hour
	client := pipe(t, server)
	host.set(inMessages, func(context.Context) error { return mailbox.ErrTemporary })
	client.Command("USER demo")
	require.Equal(t, temporaryAnswer, client.Command("PASS x"))
	host.clear()
	client.Command("USER demo")
	require.Equal(t, "+OK maildrop has 1 messages", client.Command("PASS x"))
}

package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// asked counts what it is asked.
type asked struct {
	pop3.Authenticator
	n int
}

func (a *asked) Authenticate(ctx context.Context, login mailbox.Login) (string, error) {
	a.n++
	return a.Authenticator.Authenticate(ctx, login)
}

func (a *asked) AuthenticateToken(ctx context.Context, login mailbox.Login) (string, error) {
	a.n++
	return tokens{"t": "tom", "a": "tom"}.AuthenticateToken(ctx, login)
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &asked{Authenticator: parse(t, "alice:a\nbob:b")}
		cache := &Cache{Authenticator: slow, For: time.Minute}
		login := func(want int, user, password string, right bool) {
			t.Helper()
			got, err := cache.Authenticate(t.Context(), mailbox.Login{User: user, Password: password, Mechanism: "PLAIN"})
			if right {
				require.NoError(t, err)
				require.Equal(t, "alice", got)
			} else {
				require.ErrorIs(t, err, mailbox.ErrAuthFailed)
			}
			require.Equal(t, want, slow.n)
		}
		login(1, "alice", "a", true)
		login(1, "alice", "a", true)
		login(2, "alice", "b", false)
		login(3, "alice", "b", false) // what is wrong is asked again
		login(4, "bob", "a", false)   // the password of another user
		login(5, "alice@x", "a", true)
		login(5, "alice", "a", true)
		_, err := cache.Authenticate(t.Context(), mailbox.Login{User: "alice", Password: "a", AuthorizationID: "bob", Mechanism: "PLAIN"})
		require.ErrorIs(t, err, mailbox.ErrAuthFailed)
		require.Equal(t, 6, slow.n)

		_, err = cache.AuthenticateToken(t.Context(), mailbox.Login{User: "alice", Token: "a"})
		require.NoError(t, err, "the same text, as a token")
		require.Equal(t, 7, slow.n)
		_, err = cache.AuthenticateToken(t.Context(), mailbox.Login{User: "alice", Token: "a"})
		require.NoError(t, err)
		require.Equal(t, 7, slow.n)
		_, err = cache.AuthenticateToken(t.Context(), mailbox.Login{User: "alice", Token: "b"})
		require.ErrorIs(t, err, mailbox.ErrAuthFailed, "another token")
		slow.n = 7

		slow.Authenticator = parse(t, "alice:new")
		login(7, "alice", "a", true) // still
		login(8, "alice", "new", true)
		cache.Forget("alice")
		login(9, "alice", "a", false)
		login(10, "alice", "new", true)
		time.Sleep(time.Minute - 1)
		login(10, "alice", "new", true)
		time.Sleep(time.Nanosecond)
		login(11, "alice", "new", true)
	})
}

// What was right with TLS is asked again without, and what is remembered has an
// end, if nothing says when.
func TestCacheByDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &asked{Authenticator: parse(t, "alice:a")}
		cache := &Cache{Authenticator: slow}
		for n, state := range []*tls.ConnectionState{nil, {}} {
			for range 2 {
				_, err := cache.Authenticate(t.Context(), mailbox.Login{User: "alice", Password: "a", TLS: state})
				require.NoError(t, err)
				require.Equal(t, n+1, slow.n)
			}
		}
		time.Sleep(5*time.Minute - 1)
		ask := func() int {
			_, err := cache.Authenticate(t.Context(), mailbox.Login{User: "alice", Password: "a"})
			require.NoError(t, err)
			return slow.n
		}
		require.Equal(t, 2, ask())
		time.Sleep(time.Nanosecond)
		require.Equal(t, 3, ask())
	})
}

// What an authenticator may look at is the same when its answer is remembered: the
// certificate of the client, whether it was verified, and where the client thinks
// that it is.
func TestCacheRemembersTheCircumstances(t *testing.T) {
	slow := &asked{Authenticator: parse(t, "alice:a")}
	cache := &Cache{Authenticator: slow}
	one, other := &x509.Certificate{Raw: []byte("1")}, &x509.Certificate{Raw: []byte("2")}
	for n, login := range []mailbox.Login{
		{TLS: &tls.ConnectionState{}},
		{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{one}}},
		{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{one}, VerifiedChains: [][]*x509.Certificate{{one}}}},
		{TLS: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{other}, VerifiedChains: [][]*x509.Certificate{{other}}}},
		{TLS: &tls.ConnectionState{ServerName: "a.example"}},
		{TLS: &tls.ConnectionState{ServerName: "b.example"}},
		{Local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 110}},
		{Local: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 110}},
	} {
		login.User, login.Password = "alice", "a"
		for range 2 {
			_, err := cache.Authenticate(t.Context(), login)
			require.NoError(t, err)
			require.Equal(t, n+1, slow.n)
		}
	}
}

// Who is locked out does not act for others either.
func TestCacheForgetsWhoActsForOthers(t *testing.T) {
	slow := &asked{Authenticator: pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) {
		return login.AuthorizationID, nil
	})}
	cache := &Cache{Authenticator: slow}
	login := func(user string) int {
		_, err := cache.Authenticate(t.Context(), mailbox.Login{User: user, Password: "p", AuthorizationID: "alice"})
		require.NoError(t, err)
		return slow.n
	}
	require.Equal(t, 1, login("Admin"))
	require.Equal(t, 2, login("helper"))
	cache.Forget("admin")
	require.Equal(t, 2, login("helper"))
	require.Equal(t, 3, login("Admin"))
	cache.Forget("alice")
	require.Equal(t, 4, login("helper"))
	require.Equal(t, 5, login("Admin"))
}

// No two logins stand for each other, however their parts are put together.
func TestCacheKeepsLoginsApart(t *testing.T) {
	cache := new(Cache)
	seen := make(map[any]string)
	for _, parts := range [][]string{{"ab", "", "c"}, {"a", "b", "c"}, {"a", "", "bc"}, {"", "ab", "c"}, {"ab", "c", ""}, {"a", "bc", ""}, {"a\x00", "b", "c"}} {
		key := cache.digest(parts...)
		require.Empty(t, seen[key])
		seen[key] = fmt.Sprint(parts)
	}
	require.NotEqual(t, cache.digest("a"), new(Cache).digest("a"), "each has a key of its own")
}

func TestCacheIsBounded(t *testing.T) {
	cache := &Cache{Authenticator: pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) { return login.User, nil }), Max: 50}
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			user := fmt.Sprint("user", i)
			got, err := cache.Authenticate(t.Context(), mailbox.Login{User: user, Password: "p"})
			require.NoError(t, err)
			require.Equal(t, user, got)
		})
	}
	all.Wait()
	require.Len(t, cache.entries, 50)
}

// What was right by one mechanism is asked again by another, and what was forgotten
// while it was checked is not remembered.
func TestCacheForgetsInTheMiddle(t *testing.T) {
	var cache *Cache
	forgets := true
	slow := &asked{Authenticator: pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) {
		if forgets {
			cache.Forget("alice")
		}
		return "alice", nil
	})}
	cache = &Cache{Authenticator: slow}
	login := func(mechanism string) int {
		_, err := cache.Authenticate(t.Context(), mailbox.Login{User: "alice", Password: "a", Mechanism: mechanism})
		require.NoError(t, err)
		return slow.n
	}
	require.Equal(t, 1, login("PLAIN"))
	forgets = false
	require.Equal(t, 2, login("PLAIN"))
	require.Equal(t, 2, login("PLAIN"))
	require.Equal(t, 3, login("USER"))
}

package pop3_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

func tryOf(user string, last byte) mailbox.Login {
	return mailbox.Login{User: user, Remote: &net.TCPAddr{IP: net.IPv4(192, 0, 2, last), Port: 1}}
}

// waits returns how long a try waits.
func waits(t testing.TB, brake pop3.Brake, login mailbox.Login) time.Duration {
	t.Helper()
	began := time.Now()
	release, err := brake.Begin(t.Context(), login)
	require.NoError(t, err)
	release()
	return time.Since(began)
}

// fails lets tries fail, one after the other, and returns how long each waited.
func fails(t testing.TB, brake pop3.Brake, login mailbox.Login, times int) (waited []time.Duration) {
	t.Helper()
	for range times {
		waited = append(waited, waits(t, brake, login))
		brake.Result(login, mailbox.ErrAuthFailed)
	}
	return waited
}

const second = time.Second

// After the free tries each one waits longer, up to MaxDelay: by address, and by
// user. Those who have nothing to do with it do not wait.
func TestLocalBrakeDelays(t *testing.T) {
	for name, test := range map[string]struct {
		brake *pop3.LocalBrake
		want  []time.Duration
	}{
		"default": {&pop3.LocalBrake{}, []time.Duration{0, 0, 0, 0, 0, second, 2 * second, 4 * second, 8 * second, 15 * second, 15 * second}},
		"custom": {&pop3.LocalBrake{FreeTries: 1, FreeTriesOfAddress: 2, MaxDelay: 3 * second},
			[]time.Duration{0, second, 2 * second, 3 * second, 3 * second}},
		"by address only": {&pop3.LocalBrake{FreeTries: -1, FreeTriesOfAddress: 1}, []time.Duration{0, second, 2 * second}},
		"by user only":    {&pop3.LocalBrake{FreeTries: 1, FreeTriesOfAddress: -1}, []time.Duration{0, second, 2 * second}},
		"none":            {&pop3.LocalBrake{FreeTries: -1, FreeTriesOfAddress: -1}, make([]time.Duration, 50)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				brake := test.brake
				require.Equal(t, test.want, fails(t, brake, tryOf("mrose", 1), len(test.want)))
				last := test.want[len(test.want)-1]
				if name != "none" {
					require.Positive(t, max(waits(t, brake, tryOf("mrose", 2)), waits(t, brake, tryOf("other", 1))), "after %s", last)
				}
				require.Zero(t, waits(t, brake, tryOf("other", 2)))
			})
		})
	}
}

// However often a try fails, the next waits.
func TestLocalBrakeDelaysForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited := fails(t, new(pop3.LocalBrake), tryOf("mrose", 1), 100)
		for i, wait := range waited[9:] {
			require.Equal(t, 15*second, wait, "try %d", 9+i)
		}
	})
}

// Many connections of one address guess no faster than one: each waits for the
// one before. What would wait too long is refused.
func TestLocalBrakeIsForAllConnectionsOfAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		for i := range 8 { // of different users: 5 free ones, then 1, 2, 4 s
			fails(t, &brake, tryOf(fmt.Sprint("user", i), 1), 1)
		}
		var checked, refused atomic.Int64
		began := time.Now()
		var all sync.WaitGroup
		for i := range 1000 {
			all.Go(func() {
				login := tryOf(fmt.Sprint("other", i), 1)
				release, err := brake.Begin(t.Context(), login)
				if errors.Is(err, pop3.ErrTooManyTries) {
					refused.Add(1)
					return
				}
				require.NoError(t, err)
				release()
				brake.Result(login, mailbox.ErrAuthFailed)
				checked.Add(1)
			})
		}
		all.Wait()
		require.LessOrEqual(t, time.Since(began), 16*second)
		require.EqualValues(t, 1, checked.Load())
		require.EqualValues(t, 999, refused.Load())
	})
}

// Nobody can lock a user out: tries for one user wait side by side.
func TestLocalBrakeLocksNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		for i := range byte(200) {
			fails(t, &brake, tryOf("mrose", i), 1)
		}
		began := time.Now()
		var all sync.WaitGroup
		for i := range byte(200) {
			all.Go(func() { waits(t, &brake, tryOf("mrose", i)) })
		}
		all.Wait()
		require.LessOrEqual(t, time.Since(began), 15*second)
	})
}

// Who has logged in from an address before does not wait there, until a try
// fails.
func TestLocalBrakeKnowsItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		brake.Result(tryOf("mrose", 1), nil)
		fails(t, &brake, tryOf("mrose", 2), 9)
		fails(t, &brake, tryOf("other", 1), 9)
		require.Zero(t, waits(t, &brake, tryOf("mrose", 1)))
		require.Zero(t, waits(t, &brake, tryOf("MROSE", 1)), "it is the same user")
		require.Positive(t, waits(t, &brake, tryOf("third", 1)))
		brake.Result(tryOf("mrose", 1), mailbox.ErrAuthFailed)
		require.Positive(t, waits(t, &brake, tryOf("mrose", 1)))
	})
}

// Two users can have one name to the brake. Whoever has logged in as one of them
// waits all the same before a guess at the password of the other.
func TestLocalBrakeKnowsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{Name: func(user string) string { name, _, _ := strings.Cut(user, "@"); return name }}
		fails(t, brake, tryOf("bob@example.org", 1), 6)
		brake.Result(tryOf("bob@example.com", 1), nil)
		require.Zero(t, waits(t, brake, tryOf("Bob@example.com", 1)))
		require.Positive(t, waits(t, brake, tryOf("bob@example.org", 1)))
		require.Zero(t, waits(t, brake, tryOf("bob@example.com", 1)))
	})
}

// However a name is written, its failures are those of one user.
func TestLocalBrakeCountsSpellingsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		for i := range byte(6) {
			fails(t, &brake, tryOf([]string{"mrose", "MRose"}[i%2], i), 1)
		}
		require.Positive(t, fails(t, &brake, tryOf("mROSE", 100), 1)[0])
	})
}

// Failures are forgotten after Forget, and no more than MaxRemembered are kept.
func TestLocalBrakeForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for forget, after := range map[time.Duration]time.Duration{0: 15 * time.Minute, time.Minute: time.Minute} {
			brake := &pop3.LocalBrake{Forget: forget}
			fails(t, brake, tryOf("mrose", 1), 6)
			time.Sleep(after)
			require.Equal(t, []time.Duration{0}, fails(t, brake, tryOf("mrose", 1), 1))
			require.Equal(t, []time.Duration{4 * second}, fails(t, brake, tryOf("mrose", 1), 1), "it was renewed")
			time.Sleep(after + 1)
			require.Equal(t, make([]time.Duration, 5), fails(t, brake, tryOf("mrose", 1), 5), "all are gone")
		}
		brake := &pop3.LocalBrake{MaxRemembered: 2, FreeTries: 1, FreeTriesOfAddress: -1}
		for i := range 10 {
			fails(t, brake, tryOf(fmt.Sprint("user", i), 1), 1)
		}
		var waiting atomic.Int64
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if waits(t, brake, tryOf(fmt.Sprint("user", i), 1)) > 0 {
					waiting.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 2, waiting.Load())
	})
}

// A limit that is negative is none.
func TestLocalBrakeWithoutLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{MaxDelay: -1}
		require.Equal(t, make([]time.Duration, 20), fails(t, brake, tryOf("mrose", 1), 20))

		brake = &pop3.LocalBrake{Forget: -1}
		fails(t, brake, tryOf("mrose", 1), 6)
		time.Sleep(1000 * time.Hour)
		require.Equal(t, []time.Duration{0, 4 * second}, fails(t, brake, tryOf("mrose", 1), 2))

		brake = &pop3.LocalBrake{MaxRemembered: -1, FreeTries: 1, FreeTriesOfAddress: -1}
		for i := range 10 {
			fails(t, brake, tryOf(fmt.Sprint("user", i), 1), 1)
		}
		for i := range 10 {
			user := fmt.Sprint("user", i)
			brake.Result(tryOf(user, 1), mailbox.ErrAuthFailed)
			require.Equal(t, 2*second, waits(t, brake, tryOf(user, 1)), user)
		}
	})
}

// What has no IP address has no address to count by: all clients of a proxy that
// comes by a Unix socket would be one.
func TestLocalBrakeWithoutAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		for _, remote := range []net.Addr{nil, &net.UnixAddr{Name: "@", Net: "unix"}} {
			for i := range 20 {
				fails(t, &brake, mailbox.Login{User: fmt.Sprint("user", i), Remote: remote}, 1)
			}
			require.Zero(t, waits(t, &brake, mailbox.Login{User: "other", Remote: remote}))
			require.Positive(t, fails(t, &brake, mailbox.Login{User: "mrose", Remote: remote}, 6)[5])
			brake.Result(mailbox.Login{User: "mrose"}, nil)
		}
	})
}

// MaxChecks logins are checked at the same time, and the turns go round by
// address: one with many tries does not keep others waiting.
func TestLocalBrakeTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{MaxChecks: 2, FreeTries: -1, FreeTriesOfAddress: -1}
		check := func(login mailbox.Login) time.Duration {
			began := time.Now()
			release, err := brake.Begin(t.Context(), login)
			require.NoError(t, err)
			time.Sleep(second)
			release()
			return time.Since(began)
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() { check(tryOf("guesser", 1)) })
		}
		synctest.Wait()
		require.Equal(t, 2*second, check(tryOf("mrose", 2)), "one turn of waiting, and its own")
		// One that gives up leaves the queue.
		ctx, cancel := context.WithTimeout(t.Context(), second/2)
		defer cancel()
		_, err := brake.Begin(ctx, tryOf("mrose", 3))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		began := time.Now()
		all.Wait()
		require.Less(t, time.Since(began), 50*second)
		require.Equal(t, second, check(tryOf("mrose", 1)), "all turns are free again")
		require.Equal(t, second, check(tryOf("mrose", 2)))
	})
}

// Those from whose address fewer tries have failed get their turn first, so that
// those who guess do not keep new users waiting.
func TestLocalBrakeTakesTurnsByFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{MaxChecks: 1, FreeTries: -1, FreeTriesOfAddress: -1}
		for last := byte(1); last <= 50; last++ {
			fails(t, brake, tryOf("guesser", last), 1)
		}
		fails(t, brake, tryOf("mistyped", 60), 2)
		brake.Result(tryOf("member", 1), nil)
		order := make(chan string, 100)
		var all sync.WaitGroup
		check := func(user string, last byte) {
			all.Go(func() {
				release, err := brake.Begin(t.Context(), tryOf(user, last))
				require.NoError(t, err)
				order <- user
				time.Sleep(second)
				release()
			})
			synctest.Wait()
		}
		check("first", 1)
		check("mistyped", 60)
		for last := byte(1); last <= 50; last++ {
			check("guesser", last)
		}
		check("new", 70)
		check("member", 1)
		all.Wait()
		close(order)
		var users []string
		for user := range order {
			users = append(users, user)
		}
		require.Equal(t, []string{"first", "new", "member", "guesser"}, users[:4])
		require.Equal(t, []string{"guesser", "mistyped"}, users[len(users)-2:])
	})
}

func TestLocalBrakeMaxChecks(t *testing.T) {
	for name, limit := range map[string]struct{ field, atOnce int }{"default": {0, 16}, "custom": {3, 3}, "none": {-1, 500}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				brake := &pop3.LocalBrake{MaxChecks: limit.field}
				var begun atomic.Int64
				for range 500 {
					go func() {
						if release, err := brake.Begin(t.Context(), tryOf("mrose", 1)); err == nil {
							begun.Add(1)
							<-t.Context().Done()
							release()
						}
					}()
				}
				synctest.Wait()
				if limit.field == 0 {
					require.EqualValues(t, min(500, max(limit.atOnce, 4*runtime.GOMAXPROCS(0))), begun.Load())
					return
				}
				require.EqualValues(t, limit.atOnce, begun.Load())
			})
		})
	}
}

// A server without a Brake has one: a client that guesses waits, over all ways
// to log in and over all of its connections.
func TestGuessingIsSlowByDefault(t *testing.T) {
	for name, guess := range map[string]func(*piped) string{
		"USER":       func(p *piped) string { p.Command("USER mrose"); return p.Command("PASS wrong") },
		"AUTH PLAIN": func(p *piped) string { return p.Command("AUTH PLAIN AG1yb3NlAHdyb25n") },
		"APOP":       func(p *piped) string { return p.Command("APOP mrose c4c9334bac560ecc979e58001b3e22fb") },
		"LOGIN": func(p *piped) string {
			p.Command("AUTH LOGIN " + encoded("mrose"))
			return p.Command(encoded("wrong"))
		},
		"CRAM-MD5": func(p *piped) string {
			p.Command("AUTH CRAM-MD5")
			return p.Command(encoded("mrose c4c9334bac560ecc979e58001b3e22fb"))
		},
		"SCRAM": func(p *piped) string {
			p.Command("AUTH SCRAM-SHA-256 " + encoded("n,,n=mrose,r=abc"))
			return p.Command(encoded("c=biws,r=abc,p=AAAA"))
		},
		"OAUTHBEARER": func(p *piped) string {
			p.Command("AUTH OAUTHBEARER " + encoded("n,a=mrose,\x01auth=Bearer wrong\x01\x01"))
			return p.Command("AQ==")
		},
		"XOAUTH2, broken off": func(p *piped) string {
			p.Command("AUTH XOAUTH2 " + encoded("user=mrose\x01auth=Bearer wrong\x01\x01"))
			return p.Command("*")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &pop3.Server{Handler: pop3.Login(newAllWays(), newFakeStore("x")), AllowInsecureAuth: true}
				began := time.Now()
				for i := range 9 {
					p := pipeFrom(t, server, fmt.Sprintf("192.0.2.1:%d", i+1))
					require.Equal(t, authAnswer, guess(p))
					p.conn.Close()
				}
				require.Equal(t, (1+2+4+8)*second, time.Since(began))
				require.EqualValues(t, 9, server.Stats().FailedLogins)

				time.Sleep(15 * second)
				other := pipeFrom(t, server, "192.0.2.2:1")
				began = time.Now()
				other.Login("mrose", "secret")
				require.Zero(t, time.Since(began), "the last try for this user was 15 s ago")
				other.Quit()
				known := pipeFrom(t, server, "192.0.2.2:2")
				began = time.Now()
				known.Login("mrose", "secret")
				require.Zero(t, time.Since(began))
				known.Quit()
			})
		})
	}
}

// recordingBrake is a brake that refuses when a test says so.
type recordingBrake struct {
	mu      sync.Mutex
	refuses error
	began   []string
	results []string
	checks  int
}

func (b *recordingBrake) Begin(ctx context.Context, login mailbox.Login) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.began = append(b.began, login.User+login.Password+login.Token) // it gets no secrets
	if b.refuses != nil {
		return nil, b.refuses
	}
	b.checks++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.checks--
	}, nil
}

func (b *recordingBrake) Result(login mailbox.Login, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.results = append(b.results, fmt.Sprintf("%s %t", login.User+login.Password+login.Token, err == nil))
}

// The brake is asked before each check and told each result: of wrong
// credentials, in whatever words the host answers, and not of a failure of the
// host.
func TestBrakeHearsOfEachLogin(t *testing.T) {
	brake := new(recordingBrake)
	var answer error
	authenticator := pop3.AuthenticatorFunc(func(_ context.Context, login mailbox.Login) (string, error) { return login.User, answer })
	server := &pop3.Server{Handler: pop3.Login(authenticator, newFakeStore("x")), AllowInsecureAuth: true, Brake: brake, MaxAuthTries: -1}
	client := pipe(t, server)
	for _, answer = range []error{
		mailbox.ErrAuthFailed,
		&pop3.Error{Text: "closed for today", Err: mailbox.ErrAuthFailed},
		&pop3.Error{Text: "closed for today", Err: mailbox.ErrNoSuchUser},
		fmt.Errorf("wrapped: %w", &pop3.Error{Code: pop3.CodeAuth, Text: "no"}),
		mailbox.ErrTemporary,
	} {
		client.Command("USER mrose")
		client.Command("PASS x")
	}
	client.Command("AUTH PLAIN AG1yb3NlAHdyb25n")
	client.Command("AUTH PLAIN")
	client.Command("*")
	brake.refuses = errors.New("too often")
	client.Command("USER mrose")
	require.Equal(t, "-ERR [SYS/TEMP] too many logins, try again later", client.Command("PASS x"))
	require.Equal(t, "-ERR [SYS/TEMP] too many logins, try again later", client.Command("AUTH PLAIN AG1yb3NlAHdyb25n"))
	brake.refuses, answer = nil, nil
	client.Login("mrose", "secret")

	require.Equal(t, []string{"mrose", "mrose", "mrose", "mrose", "mrose", "mrose", "mrose", "mrose", "mrose"}, brake.began)
	require.Equal(t, []string{"mrose false", "mrose false", "mrose false", "mrose false", "mrose true"}, brake.results)
	require.Zero(t, brake.checks, "each was released")
}

// Some mechanisms say in a challenge that a proof is wrong (RFC 7628 section
// 3.2.3). Whoever breaks the exchange off then has failed as well, or guessing
// would cost nothing, and nobody would hear of it: curl hangs up after XOAUTH2.
func TestAnExchangeBrokenOffAfterItsCheckHasFailed(t *testing.T) {
	for name, end := range map[string]func(*piped){
		"*":          func(p *piped) { require.Equal(t, "-ERR [AUTH] too many failed logins", p.Command("*")) },
		"not base64": func(p *piped) { require.Equal(t, "-ERR [AUTH] too many failed logins", p.Command("?")) },
		"gone":       func(p *piped) { p.conn.Close() },
	} {
		brake, log, told := new(recordingBrake), new(lockedBuffer), []string(nil)
		server := insecure(newFakeHost("one"))
		server.Brake, server.MaxAuthTries = brake, 1
		server.Logger = slog.New(slog.NewTextHandler(log, nil))
		server.Hooks = &pop3.Hooks{Auth: func(_ context.Context, _ *pop3.Conn, login mailbox.Login, err error) {
			told = append(told, fmt.Sprint(login.User, " ", login.Mechanism, " ", errors.Is(err, mailbox.ErrAuthFailed)))
		}}
		p := pipe(t, server)
		require.Equal(t, "+ d2hvPw==", p.Command("AUTH TEST AAAA"))
		end(p)
		<-p.over
		require.Equal(t, []string{"demo false"}, brake.results, name)
		require.Equal(t, []string{"demo TEST true"}, told, name)
		require.EqualValues(t, 1, server.Stats().FailedLogins, name)
		require.Regexp(t, `msg="pop3: login failed" .* login.user=demo login.mechanism=TEST .* wrong=true `, log.String(), name)
	}
}

// Failures in the host's own words, and refusals of the brake, count for
// MaxAuthTries.
func TestMaxAuthTriesCountsInTheWordsOfTheHost(t *testing.T) {
	worded := pop3.AuthenticatorFunc(func(context.Context, mailbox.Login) (string, error) {
		return "", &pop3.Error{Text: "no entry", Err: mailbox.ErrAuthFailed}
	})
	server := insecure(pop3.Login(worded, newFakeStore()))
	client := pipe(t, server)
	for range 4 {
		client.Command("USER mrose")
		require.Equal(t, "-ERR no entry", client.Command("PASS x"))
	}
	client.Command("USER mrose")
	require.Equal(t, "-ERR too many failed logins", client.Command("PASS x"))
	client.ExpectClosed()

	server = insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
	server.Brake = &recordingBrake{refuses: errors.New("too often")}
	client = pipe(t, server)
	for range 4 {
		client.Command("USER mrose")
		client.Command("PASS x")
	}
	client.Command("USER mrose")
	require.Equal(t, "-ERR [SYS/TEMP] too many failed logins", client.Command("PASS x"))
	client.ExpectClosed()
}

// Nobody waits for the brake longer than for a login: a client that pipelines
// its tries keeps its place no longer than others.
func TestTheBrakeWaitsNoLongerThanAuthTimeout(t *testing.T) {
	for name, of := range map[string]func(*pop3.LocalBrake) pop3.Brake{
		"LocalBrake": func(b *pop3.LocalBrake) pop3.Brake { return b },
		"the host's": func(b *pop3.LocalBrake) pop3.Brake { return struct{ pop3.Brake }{b} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var brake pop3.LocalBrake
				fails(t, &brake, tryOf("mrose", 1), 20)
				server := insecure(pop3.Login(pop3.Users{}, newFakeStore()))
				server.Brake, server.AuthTimeout = of(&brake), 20*second
				p := pipeFrom(t, server, "192.0.2.1:1")
				began := time.Now()
				p.Send(strings.Repeat("USER mrose\r\nPASS x\r\n", 5))
				require.Contains(t, p.rest(t), "+OK send PASS\r\n")
				require.ErrorIs(t, <-p.over, os.ErrDeadlineExceeded)
				require.Equal(t, 20*second, time.Since(began))
			})
		})
	}
}

// What is due is sent before a wait.
func TestAnswersDoNotWaitForTheBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var brake pop3.LocalBrake
		fails(t, &brake, mailbox.Login{User: "mrose"}, 9)
		server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
		server.Brake = &brake
		p := pipe(t, server)
		began := time.Now()
		p.Send("USER mrose\r\nPASS x\r\n")
		require.Equal(t, "+OK send PASS", p.Line())
		require.Zero(t, time.Since(began))
	})
}

func TestLocalBrakeForgetsItsPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{Forget: second}
		for range 9 {
			brake.Result(tryOf("mrose", 1), mailbox.ErrAuthFailed)
		}
		time.Sleep(2 * second)
		require.Zero(t, waits(t, brake, tryOf("mrose", 2)))
		require.Zero(t, waits(t, brake, tryOf("other", 1)))
	})
}

// A client that waits for the brake does not hold up Shutdown, nor does one that
// begins to wait afterwards. Both are told, whatever contexts the host has.
func TestShutdownEndsTheWaitForTheBrake(t *testing.T) {
	for name, own := range map[string]bool{"": false, ", with a context of the host": true} {
		for _, during := range []string{"during the wait", "before it"} {
			t.Run(during+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var brake pop3.LocalBrake
					fails(t, &brake, mailbox.Login{User: "mrose"}, 9)
					server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
					server.Brake = &brake
					if own {
						server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return ctx }
					}
					shutdown := func() {
						go server.Shutdown(t.Context())
						synctest.Wait()
					}
					server.Hooks = &pop3.Hooks{Begin: func(_ context.Context, _ *pop3.Conn, verb string) context.Context {
						if verb == "PASS" && during == "before it" {
							shutdown()
						}
						return nil
					}}
					p := pipe(t, server)
					p.Command("USER mrose")
					began := time.Now()
					p.Send("PASS x\r\n")
					if during == "during the wait" {
						synctest.Wait()
						shutdown()
					}
					require.Equal(t, "-ERR [SYS/TEMP] server shutting down", p.Line())
					require.ErrorIs(t, <-p.over, pop3.ErrServerClosed)
					require.Zero(t, time.Since(began))
				})
			})
		}
	}
}

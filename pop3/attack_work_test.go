package pop3_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// slowSecrets takes a second for the secret of a user, as if keys were made of it.
type slowSecrets struct {
	pop3.SharedSecrets
	atOnce, most atomic.Int64
	asked        sync.Map // by address; *atomic.Int64
}

func (s *slowSecrets) SharedSecret(ctx context.Context, login mailbox.Login) (string, string, error) {
	s.most.Store(max(s.most.Load(), s.atOnce.Add(1)))
	defer s.atOnce.Add(-1)
	address, _, _ := strings.Cut(login.Remote.String(), ":")
	asked, _ := s.asked.LoadOrStore(address, new(atomic.Int64))
	asked.(*atomic.Int64).Add(1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return "", "", ctx.Err()
	}
	return s.SharedSecrets.SharedSecret(ctx, login)
}

// Who asks for nothing but challenges of SCRAM, for which keys are made, takes
// turns as those do who guess, and so does not keep the processors to himself: no
// more than MaxChecks are made at once, and somebody else's turn is the next. One
// from an address from which tries have failed waits until then.
func TestChallengesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secrets := &slowSecrets{SharedSecrets: pop3.Users{"mrose": "secret"}.SharedSecrets()}
		brake := &pop3.LocalBrake{MaxChecks: 2, FreeTriesOfAddress: -1}
		server := insecure(pop3.Login(secrets, newFakeStore("one")))
		server.Brake = brake
		ask := func(p *piped) { p.Send("AUTH SCRAM-SHA-256 " + encoded("n,,n=mrose,r=abc") + "\r\n*\r\n") }
		brake.Result(tryOf("other", 1), mailbox.ErrAuthFailed) // 192.0.2.1
		for i := range 40 {
			ask(pipeFrom(t, server, fmt.Sprintf("192.0.2.1:%d", 1+i)))
		}
		synctest.Wait()
		for i := range 10 {
			ask(pipeFrom(t, server, fmt.Sprintf("192.0.2.3:%d", 1+i)))
		}
		synctest.Wait()
		began := time.Now()
		visitor := pipeFrom(t, server, "192.0.2.2:1")
		visitor.Login("mrose", "secret")
		require.LessOrEqual(t, time.Since(began), 2*time.Second, "one turn of waiting, in which one of 192.0.2.3 has its own")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		asked := func(address string) int64 {
			n, _ := secrets.asked.Load(address)
			return n.(*atomic.Int64).Load()
		}
		require.EqualValues(t, 10, asked("192.0.2.3"))
		require.Less(t, asked("192.0.2.1"), int64(2+5), "the two that came first, and what was left")
		require.EqualValues(t, 2, secrets.most.Load())
		server.Close()
	})
}

// A wait for a turn ends with the time for a login, and with the server.
func TestAWaitForAChallengeEnds(t *testing.T) {
	for how, end := range map[string]func(*testing.T, *pop3.Server) time.Duration{
		"AuthTimeout": func(*testing.T, *pop3.Server) time.Duration { return 10 * time.Second },
		"Shutdown": func(t *testing.T, s *pop3.Server) time.Duration {
			time.Sleep(2 * time.Second)
			go s.Shutdown(t.Context())
			return 2 * time.Second
		},
	} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := insecure(pop3.Login(newAllWays(), newFakeStore("one")))
				brake := &pop3.LocalBrake{MaxChecks: 1}
				server.Brake, server.AuthTimeout = brake, 10*time.Second
				release, err := brake.Begin(t.Context(), mailbox.Login{})
				require.NoError(t, err)
				defer release()
				p := pipe(t, server)
				began := time.Now()
				p.Send("AUTH SCRAM-SHA-256 " + encoded("n,,n=mrose,r=abc") + "\r\n")
				output := p.hear()
				took := end(t, server)
				require.Error(t, <-p.over)
				require.Equal(t, took, time.Since(began))
				require.NotContains(t, output.String(), "+ ")
			})
		})
	}
}

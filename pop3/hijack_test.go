package pop3_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
)

// Whom the host has taken over makes no room for newcomers: a director does so
// in the middle of the login.
func TestHijackedConnectionsAreNotDisplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host := newFakeHost("one")
		server := insecure(host)
		server.MaxConnections, server.MaxBeforeLogin, server.MaxPerAddress = 3, 1, 2
		var conn *pop3.Conn
		server.Hooks = &pop3.Hooks{Connect: func(_ context.Context, c *pop3.Conn) { conn = c }}
		host.set(inLogin, func(ctx context.Context) error {
			nc, _, err := conn.Hijack()
			if err != nil {
				return err
			}
			defer nc.Close()
			select {
			case <-ctx.Done():
				fmt.Fprintf(nc, "displaced\r\n")
			case <-time.After(time.Second):
				fmt.Fprintf(nc, "directed\r\n")
			}
			return nil
		})
		p := pipeFrom(t, server, "192.0.2.1:1")
		p.Send("USER demo\r\nPASS secret\r\n")
		require.Equal(t, "+OK send PASS", p.Line())
		synctest.Wait()
		require.Equal(t, pop3.Stats{Open: 1}, server.Stats())
		requireAlive(t, pipeFrom(t, server, "192.0.2.1:2"))
		requireAlive(t, pipeFrom(t, server, "192.0.2.2:1"))
		require.Equal(t, "directed", p.Line())
	})
}

// What a method returns after Hijack does not matter: nothing of it reaches the
// connection, and nothing else is asked or told.
func TestNothingFollowsHijack(t *testing.T) {
	slow := func(yield func(string, error) bool) {
		for range 3000 { // together longer than a buffer
			time.Sleep(time.Millisecond)
			if !yield("not for the other server", nil) {
				return
			}
		}
	}
	for name, test := range map[string]struct {
		input string
		fails error // of StartSASL
	}{
		"the lines of a command":         {"XHIJ\r\n", nil},
		"an exchange":                    {"AUTH TEST AAAA\r\n", nil},
		"an exchange that did not begin": {"AUTH TEST\r\n", mailbox.ErrAuthFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				host := newFakeHost("one")
				server := insecure(host)
				brake := new(countingBrake)
				server.Brake = brake
				var conn *pop3.Conn
				server.Hooks = host.hooks()
				server.Hooks.Connect = func(_ context.Context, c *pop3.Conn) { conn = c }
				take := func() net.Conn {
					nc, _, err := conn.Hijack()
					require.NoError(t, err)
					return nc
				}
				var taken net.Conn
				server.Commands = []pop3.Command{{Verb: "XHIJ", States: pop3.Authorization,
					Run: func(context.Context, *pop3.Conn, string) (pop3.Reply, error) {
						taken = take()
						return pop3.Reply{Lines: slow}, nil
					}}}
				host.set(inStartSASL, func(context.Context) error { taken = take(); return test.fails })
				p := pipe(t, server)
				output := p.hear()
				p.Send(test.input)
				require.NoError(t, <-p.over)
				taken.Close()
				synctest.Wait()
				require.Empty(t, output.String())
				require.Zero(t, host.count(inNext))
				require.Zero(t, host.count(inAuthHook))
				require.Zero(t, host.count(inFaultHook))
				require.Zero(t, brake.calls)
			})
		})
	}
}

// countingBrake counts its calls.
type countingBrake struct{ calls int }

func (b *countingBrake) Begin(context.Context, mailbox.Login) (func(), error) {
	b.calls++
	return func() {}, nil
}

func (b *countingBrake) Result(mailbox.Login, error) { b.calls++ }

package pop3_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

// A flood does not fill the log: what is displaced and what the brake refuses is
// logged now and then, and not as a failure of something else.
func TestAFloodDoesNotFillTheLog(t *testing.T) {
	const half, waits, handshake, refused = "half a command", "a login that waits for the brake", "a handshake", "a login that the brake refuses"
	for what, line := range map[string]string{half: "made room", waits: "made room", handshake: "made room", refused: "refused by the brake"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lockedBuffer
				server := insecure(pop3.Login(pop3test.AnyPassword(), newFakeStore()))
				server.Logger = slog.New(slog.NewTextHandler(&log, nil))
				server.MaxBeforeLogin = 1
				brake := new(pop3.LocalBrake)
				fails(t, brake, mailbox.Login{User: "guessed"}, 9)
				server.Brake = brake
				if what == refused {
					server.Brake, server.MaxAuthTries = &recordingBrake{refuses: errors.New("too often")}, -1
					client := pipe(t, server)
					for range 100 {
						client.Command("USER guessed")
						client.Command("PASS x")
					}
				}
				for i := range 100 {
					address := fmt.Sprint("192.0.2.1:", i+1)
					switch what {
					case half:
						pipeFrom(t, server, address).Send("USER som")
					case waits:
						client := pipeFrom(t, server, address)
						client.Command("USER guessed")
						client.Send("PASS x\r\n")
					case handshake:
						client, conn := net.Pipe()
						defer client.Close()
						go server.ServeConn(t.Context(), tls.Server(from{conn, address}, &tls.Config{}))
					}
					synctest.Wait()
				}
				require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
				require.Contains(t, log.String(), line)
				require.Zero(t, server.Stats().FailedHandshakes)
				require.Zero(t, server.Stats().FailedLogins)
				server.Close()
			})
		})
	}
}

package pop3_test

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/xdg-go/scram"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
	"github.com/popcask/popcask/pop3"
	"github.com/popcask/popcask/pop3/pop3test"
)

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// What a client only claims to be must not make the brake know it: an anonymous
// login, or one by the token of somebody else, would let it guess without a wait.
func TestTheBrakeKnowsWhoWasProven(t *testing.T) {
	for mechanism, response := range map[string]string{
		"ANONYMOUS":   "alice",
		"XOAUTH2":     "user=alice\x01auth=Bearer token-of-mrose\x01\x01",
		"OAUTHBEARER": "n,a=alice,\x01auth=Bearer token-of-mrose\x01\x01",
	} {
		t.Run(mechanism, func(t *testing.T) {
			brake := new(recordingBrake)
			server := insecure(pop3.Login(newAllWays(), new(memory.Store)))
			server.Brake = brake
			client := pipe(t, server)
			require.Equal(t, emptyMaildrop, client.Command("AUTH "+mechanism+" "+encoded(response)))
			want := "mrose true"
			if mechanism == "ANONYMOUS" {
				want = " true"
			}
			require.Equal(t, []string{want}, brake.results)
		})
	}
}

// Nobody is known: a login without a name does not let the next ones go without
// a wait.
func TestLocalBrakeKnowsNobodyWithoutAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake, login := new(pop3.LocalBrake), tryOf("", 1)
		brake.Result(login, nil)
		require.Greater(t, fails(t, brake, login, 10)[9], second)
		brake.Result(login, nil)
		require.Positive(t, waits(t, brake, login))
	})
}

// Names that are one user have one count of failures.
func TestLocalBrakeName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		brake := &pop3.LocalBrake{Name: func(user string) string { name, _, _ := strings.Cut(user, "@"); return name }}
		for i := range byte(7) {
			brake.Result(tryOf("bob@"+string('a'+rune(i)), 1+i), mailbox.ErrAuthFailed)
		}
		require.GreaterOrEqual(t, waits(t, brake, tryOf("bob@x", 100)), second)
		require.Zero(t, waits(t, brake, tryOf("alice@x", 100)))
	})
}

// emptySecret is an authenticator that knows users without a secret.
type emptySecret struct{}

func (emptySecret) Authenticate(context.Context, mailbox.Login) (string, error) {
	return "", mailbox.ErrAuthFailed
}

func (emptySecret) SharedSecret(_ context.Context, login mailbox.Login) (string, string, error) {
	return "", login.User, nil
}

func TestAnEmptySecretLetsNobodyIn(t *testing.T) {
	server := &pop3.Server{Handler: pop3.Login(emptySecret{}, new(memory.Store)), Brake: pop3.NoBrake}
	client := pipe(t, server)
	require.Equal(t, authAnswer, runSCRAM(t, client.Client, "SCRAM-SHA-256", newConversation(t, scram.SHA256, "mrose", "", ""), nil))
	require.Equal(t, authAnswer, client.Command("APOP mrose c4c9334bac560ecc979e58001b3e22fb"))
}

// Who asks for challenges and never answers one is turned away as one who answers
// them wrong: each costs the host a look for the user.
func TestChallengesThatAreNeverAnswered(t *testing.T) {
	client := pipe(t, &pop3.Server{Handler: pop3.Login(newAllWays(), new(memory.Store)), MaxAuthTries: 3})
	for i := range 3 {
		client.Command("AUTH SCRAM-SHA-256")
		client.Command(encoded("n,,n=mrose,r=abc"))
		want := "-ERR AUTH cancelled"
		if i == 2 {
			want = "-ERR too many failed logins"
		}
		require.Equal(t, want, client.Command("*"))
	}
	require.NoError(t, waitFor(client))
}

func waitFor(p *piped) error {
	select {
	case <-p.over:
		return nil
	case <-time.After(pop3test.Patience):
		return context.DeadlineExceeded
	}
}

// A mechanism that keeps a response while it waits for the next one keeps none
// that is long.
func TestLongResponsesAreNotKept(t *testing.T) {
	server := insecure(pop3.Login(newAllWays(), new(memory.Store)))
	server.MaxAuthTries = -1
	client := pipe(t, server)
	long := strings.Repeat("x", 40_000)
	for mechanism, response := range map[string]string{"LOGIN": long, "SCRAM-SHA-256": "n,,n=mrose,r=" + long} {
		client.Command("AUTH " + mechanism)
		require.Equal(t, authAnswer, client.Command(encoded(response)))
	}
}

// What a client sent in place of a proof is in no log line.
func TestWrongProofsAreNotLogged(t *testing.T) {
	var log lockedBuffer
	server := &pop3.Server{Handler: pop3.Login(newAllWays(), new(memory.Store)), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	client := pipe(t, server)
	client.Command("AUTH SCRAM-SHA-256")
	client.Command(encoded("n,,n=mrose,r=abc"))
	require.Equal(t, authAnswer, client.Command(encoded("hunter2")))
	require.Contains(t, log.String(), "the proof is wrong")
	require.NotContains(t, log.String(), "hunter2")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/popcask/popcask/internal/slow"
)

// What the program promises in a flood.
const (
	filesInFlood  = 1024            // that it may open
	floodTime     = 8 * time.Second // at least
	timesInFlood  = 3               // that a user does something, at least
	loginPromise  = 3 * time.Second // the median, on processors of its own
	memoryPromise = 100 << 10       // KiB

	// patienceInFlood bounds one thing that a user does, and the end of the flood:
	// a connection that waits for the brake, for 15 seconds or less, does not
	// notice that its client is gone.
	patienceInFlood = time.Minute
)

// One address floods the program with connections and fifty guess passwords.
// Meanwhile sessions go on, new ones begin, mail arrives, memory, files and the
// log are bounded, and guessing is slow. Nothing is left of the flood after its
// end.
func TestFlood(t *testing.T) {
	slow.Test(t, "a flood of some seconds")
	p := launchWithFiles(t, filesInFlood, "-users", usersInFlood(t), "-dir", filepath.Join(t.TempDir(), "mail"),
		"-trace=false", "-tls-self-signed", "-pop3s", "127.0.0.1:0", "-smtp", "")
	text := "Subject: kept\r\n\r\n" + strings.Repeat("one more line of a message\r\n", 2000)
	require.Contains(t, p.deliver(t, "keeper@x", text), "250 2.0.0 ")
	session, err := logInFrom(p, "127.0.0.3", "keeper")
	require.NoError(t, err)
	defer session.close()
	before, idle := p.files(t), p.processorTime(t)

	began := time.Now()
	flood := startFlood(t, p)
	retrievals := repeat(20*time.Millisecond, func(int) error { return session.retrieve(text) })
	deliveries := repeat(500*time.Millisecond, func(int) error { return deliverFrom(p, "127.0.0.5", "keeper@x") })
	logins := repeat(time.Second, func(n int) error { return visitFrom(p, "127.0.0.4", fmt.Sprint("new", n)) })
	highest := watch(t, func() int { return p.files(t) })
	retrieved, delivered, loggedIn := <-retrievals, <-deliveries, <-logins
	share := p.processorTime(t).since(idle)
	flood.stop()
	took := time.Since(began)

	memory := p.status(t, "VmHWM")
	t.Logf("flood of %v: %d connections, %d guesses, %d tries turned down", took, flood.opened.Load(), flood.guesses.Load(), flood.turnedDown.Load())
	t.Logf("files %d, at most %d; memory %d KiB; share of the processors %.2f", before, highest(), memory, share)
	t.Logf("retrieved %v, delivered %v, logged in %v", retrieved, delivered, loggedIn)
	require.NoError(t, errors.Join(retrieved.err, delivered.err, loggedIn.err))
	require.Less(t, time.Duration(share*float64(loggedIn.median())), loginPromise)
	require.Less(t, memory, memoryPromise)
	require.Less(t, highest(), filesInFlood*3/4)
	require.Less(t, int(flood.guesses.Load()), mostGuesses(took))

	require.Eventually(t, func() bool { return p.files(t) <= before }, patienceInFlood, 20*time.Millisecond,
		"connections of the flood stay")
	t.Logf("nothing was left after %v", time.Since(began)-took)
	require.NoError(t, session.retrieve(text))
	require.NoError(t, session.ask("QUIT", "+OK"))
	require.Zero(t, p.end(t, syscall.SIGTERM))
	log := p.stderr.String()
	require.NotContains(t, log, "accept failed")
	require.NotContains(t, log, "cut off")
	require.Contains(t, log, "made room for another")
	require.Less(t, strings.Count(log, "made room for another"), 3+int(took/(10*time.Second)))
	require.Less(t, strings.Count(log, "\n"), flooders, "lines of the log")
}

// mostGuesses is how many passwords the brake lets the guessers try: five from
// each address are free, each client may be in the middle of one more, and then
// there is one in 15 seconds.
func mostGuesses(took time.Duration) int {
	return guessingFrom * (5 + guessers/guessingFrom + 1 + int(took/(15*time.Second)))
}

// usersInFlood writes a users file: keeper and many new users, all with the
// password "secret".
func usersInFlood(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), 10)
	require.NoError(t, err)
	var lines strings.Builder
	fmt.Fprintf(&lines, "keeper:{BCRYPT}%s\n", hash)
	for n := range timesInFlood + int(floodTime/time.Second) {
		fmt.Fprintf(&lines, "new%d:{BCRYPT}%s\n", n, hash)
	}
	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	return file
}

// repeated is what came of doing something again and again.
type repeated struct {
	took []time.Duration
	err  error // the first, which ended it
}

func (r repeated) median() time.Duration {
	return slices.Sorted(slices.Values(r.took))[len(r.took)/2]
}

func (r repeated) String() string {
	return fmt.Sprintf("%d times (median %v, longest %v)", len(r.took),
		r.median().Round(time.Millisecond), slices.Max(r.took).Round(time.Millisecond))
}

// repeat does something again and again for the time of the flood, and
// timesInFlood at least.
func repeat(pause time.Duration, do func(n int) error) <-chan repeated {
	done := make(chan repeated, 1)
	until := time.Now().Add(floodTime)
	go func() {
		var r repeated
		for n := 0; r.err == nil && (n < timesInFlood || time.Now().Before(until)); n++ {
			began := time.Now()
			r.err = do(n)
			r.took = append(r.took, time.Since(began))
			rest(context.Background(), pause)
		}
		done <- r
	}()
	return done
}

// watch looks at a number again and again. highest ends that, and so does the
// end of the test.
func watch(t *testing.T, number func() int) (highest func() int) {
	ctx, stop := context.WithCancel(context.Background())
	most := make(chan int, 1)
	go func() {
		n := 0
		for ctx.Err() == nil {
			n = max(n, number())
			rest(ctx, 20*time.Millisecond)
		}
		most <- n
	}()
	highest = sync.OnceValue(func() int {
		stop()
		return <-most
	})
	t.Cleanup(func() { highest() })
	return highest
}

// rest waits, or until ctx ends.
func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

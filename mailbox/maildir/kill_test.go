//go:build unix

package maildir

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/internal/child"
	"github.com/popcask/popcask/mailbox"
)

func TestMain(m *testing.M) {
	child.Main("deliver", deliverUntilKilled)
	goleak.VerifyTestMain(m)
}

// survivors is how many deliveries a child acknowledges before it kills itself.
const survivors = 3

// delivering is the input of a child process that delivers mail.
type delivering struct {
	Dir    string
	KillAt step // at which the child kills itself; "" means never
}

// deliverUntilKilled prints the ID of every message that was acknowledged.
func deliverUntilKilled(d delivering) error {
	store, err := New(d.Dir, Options{})
	if err != nil {
		return err
	}
	var delivered atomic.Int64
	store.fault = func(now step) error {
		if now == d.KillAt && delivered.Load() == survivors {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until it arrives
		}
		return nil
	}
	deliverForEver := func() error {
		for {
			// The second recipient is there so that it can be between the two.
			results, err := store.Append(context.Background(), mailbox.To("bob", "alice"), strings.NewReader(sealedBody()))
			if err == nil {
				err = errors.Join(results[0].Err, results[1].Err)
			}
			if err != nil {
				return err
			}
			delivered.Add(1)
			fmt.Printf("bob %s\nalice %s\n", results[0].ID, results[1].ID)
		}
	}
	if d.KillAt != "" {
		return deliverForEver()
	}
	failed := make(chan error)
	for range 4 {
		go func() { failed <- deliverForEver() }()
	}
	return <-failed
}

// sealedBody is a message whose first line is a digest of the rest, so that a
// test can see that it is whole.
func sealedBody() string {
	var rest bytes.Buffer
	for range rand.IntN(4000) {
		fmt.Fprintf(&rest, "%d\r\n", rand.Uint64())
	}
	digest := sha256.Sum256(rest.Bytes())
	return hex.EncodeToString(digest[:]) + "\r\n" + rest.String()
}

func requireWhole(t testing.TB, body string) {
	t.Helper()
	seal, rest, _ := strings.Cut(body, "\r\n")
	digest := sha256.Sum256([]byte(rest))
	require.Equal(t, hex.EncodeToString(digest[:]), seal)
}

// startChild runs a child and returns its acknowledgements.
func startChild(t testing.TB, dir string, killAt step) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	process := child.ForTest(t.Context(), t, "deliver", delivering{dir, killAt})
	process.Stderr = os.Stderr
	output, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	return process, bufio.NewScanner(output)
}

func requireKilled(t testing.TB, child *exec.Cmd) {
	t.Helper()
	err := child.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), err)
}

// checkAfterKill requires that everything that was acknowledged is listed, and
// that everything that is listed is whole.
func checkAfterKill(t testing.TB, dir string, acknowledged map[string][]string) (listedTotal int) {
	t.Helper()
	store := newStoreIn(t, dir, Options{})
	for _, user := range []string{"bob", "alice"} {
		box := open(t, store, user)
		messages := list(t, box)
		require.Subset(t, ids(messages), acknowledged[user])
		for _, m := range messages {
			body := read(t, box, m.ID)
			requireWhole(t, body)
			require.Len(t, body, int(m.Size))
		}
		listedTotal += len(messages)
		require.LessOrEqual(t, len(filesIn(t, store, user, "tmp")), 4, "at most what each deliverer had in its hands")
		deliver(t, store, user, "life goes on")
	}
	return listedTotal
}

func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	for _, killAt := range []step{stepCreated, stepWrite, stepWritten, stepSynced, stepRenamed, stepListed} {
		t.Run(string(killAt), func(t *testing.T) {
			dir := t.TempDir()
			child, output := startChild(t, dir, killAt)
			acknowledged := map[string][]string{}
			for output.Scan() {
				user, id, _ := strings.Cut(output.Text(), " ")
				acknowledged[user] = append(acknowledged[user], id)
			}
			requireKilled(t, child)
			require.Len(t, acknowledged["bob"], survivors)
			require.Len(t, acknowledged["alice"], survivors)

			found := checkAfterKill(t, dir, acknowledged)
			if killAt == stepRenamed || killAt == stepListed {
				require.Equal(t, 2*survivors+1, found, "whole, although it was not acknowledged")
			} else {
				require.Equal(t, 2*survivors, found)
			}
		})
	}
}

func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			dir := t.TempDir()
			child, output := startChild(t, dir, "")
			acknowledged := map[string][]string{}
			killAfter := 1 + rand.IntN(60)
			var once sync.Once
			for n := 0; output.Scan(); n++ {
				user, id, _ := strings.Cut(output.Text(), " ")
				acknowledged[user] = append(acknowledged[user], id)
				if n >= killAfter {
					once.Do(func() { require.NoError(t, child.Process.Kill()) })
				}
			}
			requireKilled(t, child)
			checkAfterKill(t, dir, acknowledged)
		})
	}
}

package mailboxtest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/mailbox"
	"github.com/popcask/popcask/mailbox/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A store without bugs passes every check, and a harness that has everything
// skips none.
func TestTheHealthyStorePasses(t *testing.T) {
	for _, c := range checks {
		r := record(t, c, func(t testing.TB) Harness { return newPlanted().harness(t, 30*time.Second) })
		require.Empty(t, r.failures, c.name)
		require.Empty(t, r.skipped, c.name)
	}
}

// A store that has only the two interfaces, with a Deliver, passes too. What
// needs more is skipped, and everything else is checked.
func TestTheMinimalStorePasses(t *testing.T) {
	var skipped []string
	for _, c := range checks {
		r := record(t, c, minimal)
		require.Empty(t, r.failures, c.name)
		skipped = append(skipped, r.skipped...)
	}
	require.Equal(t, []string{
		"Sizer: the mailbox is no mailbox.Sizer",
		"ForeignUIDL: the store is no mailbox.Appender",
		"ForeignUIDLTwice: the store is no mailbox.Appender",
		"ForeignUIDLPerMailbox: the store is no mailbox.Appender",
		"Receipter: the mailbox is no mailbox.Receipter",
		"SeveralRecipients: the store is no mailbox.Appender",
		"SameRecipientTwice: the store is no mailbox.Appender",
		"RecipientsFailOnTheirOwn: the store is no mailbox.Appender",
		"BrokenStore: the harness has no Break",
		"ListenersHear: the store is no mailbox.EventSource",
		"ListenersHarmNothing: the store is no mailbox.EventSource",
		"CloseDrainsListeners: the store is no mailbox.EventSource",
		"CloseGivesUpWithItsContext: the store is no mailbox.EventSource",
		"Reopen: the harness has no Reopen",
		"ReopenForgetsNoUIDL: the harness has no Reopen",
	}, skipped)
}

// TestRunOfTheMinimalStore is what the test after it runs as a program.
func TestRunOfTheMinimalStore(t *testing.T) { Run(t, minimal) }

// The author of a store sees at the end of the log what was not checked.
func TestRunLogsWhatItSkips(t *testing.T) {
	run := exec.Command(os.Args[0], "-test.run=^TestRunOfTheMinimalStore$", "-test.v", "-test.short")
	log, err := run.CombinedOutput()
	require.NoError(t, err, "%s", log)
	_, end, found := strings.Cut(string(log), "mailboxtest did not check everything. Skipped:\n")
	require.True(t, found, "%s", log)
	require.Contains(t, end, "SameRecipientTwice: the store is no mailbox.Appender\n")
	require.Contains(t, end, "Reopen: the harness has no Reopen\n")
}

// A harness may skip by itself, and the log says so.
func TestASkipOfTheHarnessIsLogged(t *testing.T) {
	r := record(t, checks[0], func(t testing.TB) Harness {
		t.Skip("no server here")
		return Harness{}
	})
	require.Equal(t, []string{checks[0].name + ": the harness skips"}, r.skipped)
}

// A store need not know any size, in its listing or elsewhere.
func TestTheStoreThatKnowsNoSizesPasses(t *testing.T) {
	for _, c := range checks {
		r := record(t, c, func(t testing.TB) Harness {
			p := newPlanted()
			p.onList = func(_ *plantedBox, all []mailbox.Message) []mailbox.Message {
				for i := range all {
					all[i].Size = -1
				}
				return all
			}
			p.onSize = func(context.Context, *plantedBox, string) (int64, error) { return -1, nil }
			h := p.harness(t, 30*time.Second)
			h.Break = nil
			return h
		})
		require.Empty(t, r.failures, c.name)
	}
}

// A Receipter may remove what was retrieved.
func TestTheStoreThatRemovesWhatWasRetrievedPasses(t *testing.T) {
	for _, c := range checks {
		r := record(t, c, func(t testing.TB) Harness {
			p := newPlanted()
			p.onReceipt = func(ctx context.Context, box *plantedBox, id string) error {
				return box.Mailbox.Delete(ctx, []string{id})
			}
			return p.harness(t, 30*time.Second)
		})
		require.Empty(t, r.failures, c.name)
		require.Empty(t, r.skipped, c.name)
	}
}

func minimal(testing.TB) Harness {
	store := new(memory.Store)
	deliver := func(ctx context.Context, user string, body io.Reader) error {
		_, err := mailbox.Deliver(ctx, store, mailbox.To(user), body)
		return err
	}
	return Harness{Store: bare{store}, Deliver: deliver}
}

// bare hides what a store has in addition to [mailbox.Store].
type bare struct{ mailbox.Store }

// A store may allow one session at a time.
func TestTheExclusiveStorePasses(t *testing.T) {
	for _, c := range checks {
		r := record(t, c, func(t testing.TB) Harness {
			p := newPlanted()
			var mu sync.Mutex
			taken := make(map[string]bool)
			p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
				mu.Lock()
				defer mu.Unlock()
				if taken[login.User] {
					return nil, mailbox.ErrInUse
				}
				box, err := p.Store.Open(ctx, login)
				if err == nil {
					taken[login.User] = true
				}
				return box, err
			}
			p.onDone = func(b *plantedBox) error {
				mu.Lock()
				defer mu.Unlock()
				delete(taken, b.user)
				return nil
			}
			return p.harness(t, 30*time.Second)
		})
		require.Empty(t, r.failures, c.name)
	}
}

// A network that is cut swallows everything: calls wait until their contexts end.
func TestTheStoreThatHangsWhileBrokenPasses(t *testing.T) {
	r := record(t, checkNamed("BrokenStore"), func(t testing.TB) Harness {
		p := newPlanted()
		wait := func(ctx context.Context) error {
			if p.broken.Load() {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		p.onOpen = func(ctx context.Context, login mailbox.Login) (mailbox.Mailbox, error) {
			if err := wait(ctx); err != nil {
				return nil, err
			}
			return p.Store.Open(ctx, login)
		}
		p.onRead = func(ctx context.Context, box *plantedBox, id string, options mailbox.OpenOptions) (io.ReadCloser, error) {
			if err := wait(ctx); err != nil {
				return nil, err
			}
			return box.Mailbox.Open(ctx, id, options)
		}
		return p.harness(t, 500*time.Millisecond)
	})
	require.Empty(t, r.failures)
	require.Empty(t, r.skipped)
}

func TestHostileNamesDiffer(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range hostile("domain.example") {
		canonical, err := mailbox.CanonicalUser(name)
		require.NoError(t, err, "%q", name)
		require.NotContains(t, seen, canonical, "%q", name)
		seen[canonical] = name
	}
}

// bug is a way in which a store can break a rule.
type bug struct {
	check string // that finds it
	name  string
	rule  rule // that the failure cites
	plant func(p *planted)
}

func checkNamed(name string) check {
	return checks[slices.IndexFunc(checks, func(c check) bool { return c.name == name })]
}

func TestEveryPlantedBugIsFound(t *testing.T) {
	found := make(map[string]bool)
	for _, b := range plantedBugs() {
		t.Run(b.check+"/"+strings.ReplaceAll(b.name, " ", "_"), func(t *testing.T) {
			r := record(t, checkNamed(b.check), func(t testing.TB) Harness {
				p := newPlanted()
				b.plant(p)
				return p.harness(t, 500*time.Millisecond)
			})
			require.NotEmpty(t, r.failures, "the kit does not find: %s", b.name)
			require.Contains(t, r.failures[0], string(b.rule))
			require.NotContains(t, r.failures[0], "\n", "a failure is one sentence")
			require.NotContains(t, r.failures[0], "%!", "a failure is well formatted")
			t.Log(r.failures[0])
			found[b.check] = true
		})
	}
	for _, c := range checks {
		require.True(t, found[c.name], "no planted bug shows that the check %s can fail", c.name)
	}
}

func plantedBugs() []bug {
	return slices.Concat(listingBugs(), octetsBugs(), optionalBugs(), uidlBugs(), deleteBugs(), userBugs(), appendBugs(), contextBugs(), brokenBugs(), listenerBugs(), closeBugs())
}

package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/popcask/popcask/mailbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var _ mailbox.EventSource = (*mailbox.Listeners)(nil)

// ear is a listener that remembers.
type ear struct {
	mu    sync.Mutex
	users []string
}

func (e *ear) MailboxChanged(_ context.Context, event mailbox.Event) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users = append(e.users, event.User)
	return nil
}

func (e *ear) heard() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string{}, e.users...)
}

// complaints collects the errors that OnError is called with.
type complaints struct {
	mu   sync.Mutex
	errs []error
}

func (c *complaints) onError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err)
}

func (c *complaints) all() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]error{}, c.errs...)
}

func user(name string) mailbox.Event { return mailbox.Event{Kind: mailbox.Added, User: name} }

func TestListenersHearInOrder(t *testing.T) {
	var listeners mailbox.Listeners
	var first, second ear
	listeners.Notify(user("before")) // there is no listener yet
	listeners.Listen(&first)
	listeners.Notify(user("a"))
	listeners.Listen(&second)
	listeners.Notify(user("b"))
	listeners.Notify(user("c"))
	require.NoError(t, listeners.Close(t.Context()), "Close drains")
	require.Equal(t, []string{"a", "b", "c"}, first.heard())
	require.Equal(t, []string{"b", "c"}, second.heard())
}

func TestAfterCloseListenersAreDeaf(t *testing.T) {
	var listeners mailbox.Listeners
	var early, late ear
	listeners.Listen(&early)
	require.NoError(t, listeners.Close(t.Context()))
	require.NoError(t, listeners.Close(t.Context()), "again is harmless")
	listeners.Listen(&late)
	listeners.Notify(user("a"))
	require.Empty(t, early.heard())
	require.Empty(t, late.heard())

	require.NoError(t, new(mailbox.Listeners).Close(t.Context()), "without a listener too")
}

func TestAListenerThatFailsOrPanicsHarmsNoOther(t *testing.T) {
	cause := errors.New("push failed")
	var told complaints
	listeners := mailbox.Listeners{OnError: told.onError}
	var healthy ear
	listeners.Listen(mailbox.ListenerFunc(func(_ context.Context, event mailbox.Event) error {
		if event.User == "panics" {
			panic("what now")
		}
		return cause
	}))
	listeners.Listen(&healthy)
	listeners.Notify(user("panics"))
	listeners.Notify(user("fails"))
	require.NoError(t, listeners.Close(t.Context()))
	require.Equal(t, []string{"panics", "fails"}, healthy.heard())

	errs := told.all()
	require.Len(t, errs, 2, "a panic does not end the listener")
	require.EqualError(t, errs[0], `added in the mailbox of "panics": mailbox: listener panicked: what now`)
	require.ErrorIs(t, errs[1], cause)
	var failed *mailbox.ListenerError
	require.ErrorAs(t, errs[1], &failed)
	require.Equal(t, user("fails"), failed.Event)
}

// Neither the call of Notify nor the process ends with the panic.
func TestAPanicOfOnErrorIsContained(t *testing.T) {
	called := make(chan struct{}, 3)
	listeners := mailbox.Listeners{Queue: 1, OnError: func(error) {
		called <- struct{}{}
		panic("on purpose")
	}}
	goOn := make(chan struct{})
	listeners.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error {
		<-goOn
		return errors.New("failed")
	}))
	require.NotPanics(t, func() {
		for range 3 { // one at the listener, one in the queue, one dropped
			listeners.Notify(user("bob"))
		}
	})
	<-called
	close(goOn)
	require.NoError(t, listeners.Close(t.Context()))
	<-called
}

func TestListenersWithoutOnErrorAreSilent(t *testing.T) {
	var listeners mailbox.Listeners
	listeners.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { return errors.New("failed") }))
	listeners.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error { panic("panicked") }))
	listeners.Notify(user("a"))
	require.NoError(t, listeners.Close(t.Context()))
}

func TestAListenerThatHangsHasItsTimeAndNoMore(t *testing.T) {
	for _, c := range []struct{ set, want time.Duration }{{0, 10 * time.Second}, {3 * time.Second, 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			var told complaints
			listeners := mailbox.Listeners{Timeout: c.set, OnError: told.onError}
			var healthy ear
			listeners.Listen(mailbox.ListenerFunc(func(ctx context.Context, event mailbox.Event) error {
				if event.User != "hangs" {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}))
			listeners.Listen(&healthy)
			start := time.Now()
			listeners.Notify(user("hangs"))
			listeners.Notify(user("next"))
			require.Zero(t, time.Since(start), "Notify does not wait")
			synctest.Wait()
			require.Equal(t, []string{"hangs", "next"}, healthy.heard(), "the other does not wait either")

			require.NoError(t, listeners.Close(t.Context()))
			require.Equal(t, c.want, time.Since(start))
			require.Len(t, told.all(), 1)
			require.ErrorIs(t, told.all()[0], context.DeadlineExceeded)
		})
	}
}

func TestAListenerThatIsBehindLosesEventsAndOnErrorIsTold(t *testing.T) {
	for _, c := range []struct{ set, want int }{{2, 2}, {0, 1024}} {
		synctest.Test(t, func(t *testing.T) {
			var told complaints
			listeners := mailbox.Listeners{Queue: c.set, OnError: told.onError}
			release := make(chan struct{})
			var slow ear
			listeners.Listen(mailbox.ListenerFunc(func(ctx context.Context, event mailbox.Event) error {
				<-release
				return slow.MailboxChanged(ctx, event)
			}))
			listeners.Notify(user("at work"))
			synctest.Wait()
			for range c.want {
				listeners.Notify(user("waits"))
			}
			require.Empty(t, told.all())
			listeners.Notify(user("dropped"))
			require.Len(t, told.all(), 1)
			require.ErrorContains(t, told.all()[0], fmt.Sprintf(`"dropped": mailbox: listener is %d events behind`, c.want))

			close(release)
			require.NoError(t, listeners.Close(t.Context()))
			require.Len(t, slow.heard(), c.want+1)
			require.NotContains(t, slow.heard(), "dropped")
		})
	}
}

func TestCloseGivesUpWithItsContextAndMayBeCalledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var listeners mailbox.Listeners
		release := make(chan struct{})
		listeners.Listen(mailbox.ListenerFunc(func(context.Context, mailbox.Event) error {
			<-release // deaf to its context
			return nil
		}))
		listeners.Notify(user("a"))

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := listeners.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Minute, time.Since(start))

		close(release)
		require.NoError(t, listeners.Close(t.Context()))
	})
}

func TestListenersAreSafeForConcurrentUse(t *testing.T) {
	listeners := mailbox.Listeners{Queue: 10_000}
	var first ear
	listeners.Listen(&first)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				listeners.Notify(user("a"))
			}
			listeners.Listen(new(ear))
		})
	}
	group.Wait()
	require.NoError(t, listeners.Close(t.Context()))
	require.Len(t, first.heard(), 800)
}

func TestEventKind(t *testing.T) {
	require.Equal(t, "added", mailbox.Added.String())
	require.Equal(t, "removed", mailbox.Removed.String())
	require.Equal(t, "EventKind(0)", mailbox.EventKind(0).String())
}

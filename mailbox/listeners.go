package mailbox

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/popcask/popcask/internal/parallel"
)

// Listeners delivers events to listeners. Each has a queue and a goroutine of
// its own, so that one that fails, hangs or panics does not harm the others.
// The zero value is ready to use. It is an [EventSource]: stores embed it or
// have a field of it. It is safe for concurrent use.
type Listeners struct {
	// Timeout is how long a listener may take for one event. 0 means 10 seconds.
	Timeout time.Duration

	// Queue is how many events may wait for one listener. If it is full, further
	// events are dropped for that listener, each with a call of OnError. 0 means
	// 1024.
	Queue int

	// OnError is called with a [*ListenerError] for every event that a listener
	// failed or lost. It may be nil, must not block, and may be called from
	// several goroutines. Set it before the first Listen.
	OnError func(error)

	mu     sync.RWMutex
	queues []chan Event
	closed bool
	group  sync.WaitGroup
}

// Listen adds a listener, which hears of the events from now on. After Close it
// does nothing.
func (l *Listeners) Listen(listener Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	queue := make(chan Event, cmp.Or(l.Queue, 1024))
	l.queues = append(l.queues, queue)
	l.group.Go(func() {
		for event := range queue {
			l.deliver(listener, event)
		}
	})
}

// Notify queues an event for every listener and returns without waiting for
// them. After Close it does nothing.
func (l *Listeners) Notify(event Event) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return
	}
	for _, queue := range l.queues {
		select {
		case queue <- event:
		default:
			l.failed(event, fmt.Errorf("mailbox: listener is %d events behind, this one is dropped", cap(queue)))
		}
	}
}

// Close waits until the listeners have heard of all queued events, or until ctx
// ends. It may be called again, to wait longer.
func (l *Listeners) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		for _, queue := range l.queues {
			close(queue)
		}
	}
	l.mu.Unlock()

	if err := parallel.Wait(ctx, &l.group); err != nil {
		return fmt.Errorf("mailbox: listeners still at work: %w", err)
	}
	return nil
}

func (l *Listeners) deliver(listener Listener, event Event) {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(l.Timeout, 10*time.Second))
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.failed(event, fmt.Errorf("mailbox: listener panicked: %v", p))
		}
	}()
	if err := listener.MailboxChanged(ctx, event); err != nil {
		l.failed(event, fmt.Errorf("mailbox: listener: %w", err))
	}
}

func (l *Listeners) failed(event Event, err error) {
	if l.OnError == nil {
		return
	}
	defer func() { _ = recover() }() // there is nowhere to report it
	l.OnError(&ListenerError{Event: event, Err: err})
}

// ListenerError says that a listener failed or panicked over an event, or lost
// it because its queue was full. The change itself is not affected. [errors.Is]
// and [errors.As] find its cause.
type ListenerError struct {
	Event Event
	Err   error // why; never nil
}

func (e *ListenerError) Error() string {
	return fmt.Sprintf("%s in the mailbox of %q: %v", e.Event.Kind, e.Event.User, e.Err)
}

// Unwrap returns the cause.
func (e *ListenerError) Unwrap() error { return e.Err }

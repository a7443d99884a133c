package netserver

import (
	"log/slog"
	"math"
	"net"
	"sync"
	"time"
)

// Listeners are the listeners of a server, and accept its connections. The zero
// value is ready, and has no bound.
type Listeners struct {
	// Crowd bounds how many connections have been accepted and have not ended. It
	// is nil if there is no bound.
	Crowd Crowd

	// Log hears of connections that could not be accepted.
	Log *slog.Logger

	mu     sync.Mutex
	closed bool
	open   map[*net.Listener]struct{}
	early  map[net.Conn]struct{} // those that wait in Proxied
}

// Proxied returns a connection with the addresses of the client, if it comes
// from one of the proxies: they are in its header (PROXY protocol, version 1 or
// 2), which it must begin with, and which may take so long. A connection that a
// proxy makes for itself (LOCAL, UNKNOWN) has the addresses of the proxy. Any
// other connection is returned as it is, header or not. Close ends the wait.
func (l *Listeners) Proxied(nc net.Conn, proxies Prefixes, timeout time.Duration) (net.Conn, error) {
	if !proxies.Has(nc.RemoteAddr()) {
		return nc, nil
	}
	l.mu.Lock()
	if l.closed {
		nc.Close()
	}
	if l.early == nil {
		l.early = make(map[net.Conn]struct{})
	}
	l.early[nc] = struct{}{}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.early, nc)
	}()
	return proxied(nc, timeout)
}

// Serve accepts connections and serves each in a goroutine of its own, until
// Close is called: then the error is [ErrClosed], even if that was before. It
// closes listener.
func (l *Listeners) Serve(listener net.Listener, serve func(net.Conn)) error {
	defer listener.Close()
	if !l.track(&listener) {
		return ErrClosed
	}
	defer l.untrack(&listener)
	var pause time.Duration
	for {
		nc, err := listener.Accept()
		if err != nil {
			if l.isClosed() {
				return ErrClosed
			}
			// Most likely the process is out of file descriptors, which passes.
			if t, ok := err.(interface{ Temporary() bool }); ok && t.Temporary() {
				pause = min(max(2*pause, 5*time.Millisecond), time.Second)
				l.Log.Warn("accept failed, trying again", "error", err, "pause", pause)
				time.Sleep(pause)
				continue
			}
			return err
		}
		pause = 0
		l.Crowd.enter()
		go func() {
			defer l.Crowd.leave()
			serve(nc)
		}()
	}
}

// Close closes all listeners, and those that come later.
func (l *Listeners) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for listener := range l.open {
		(*listener).Close()
	}
	for nc := range l.early {
		nc.Close()
	}
}

func (l *Listeners) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *Listeners) track(listener *net.Listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.open == nil {
		l.open = make(map[*net.Listener]struct{})
	}
	l.open[listener] = struct{}{}
	return true
}

func (l *Listeners) untrack(listener *net.Listener) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, listener)
}

// Crowd bounds how many connections have been accepted and have not ended: those
// that are open, and as many that are about to be turned away, or were displaced.
// While a host works on all processors, it may take long until those run, and a
// flood must not take all files of the process meanwhile. It is nil if there is
// no bound.
type Crowd chan struct{}

// NewCrowd makes a crowd for a server that may have so many connections.
func NewCrowd(connections int) Crowd {
	if connections < 0 || connections > math.MaxInt/2 {
		return nil
	}
	return make(Crowd, 2*connections)
}

// enter waits until there is room for one more.
func (c Crowd) enter() {
	if c != nil {
		c <- struct{}{}
	}
}

func (c Crowd) leave() {
	if c != nil {
		<-c
	}
}

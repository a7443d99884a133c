package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"
)

// server is a go-smtp server that can be stopped without waiting for idle
// clients.
type server struct {
	smtp *smtp.Server

	mu       sync.Mutex
	wires    map[*wire]struct{}
	stopping bool
}

// Serve serves the connections that listener accepts, until Shutdown.
func (s *server) Serve(listener net.Listener) error {
	return s.smtp.Serve(&tracked{netutil.LimitListener(listener, maxConnections), s})
}

// Shutdown stops taking connections, sends idle clients away with a 421, waits
// for messages that are being received, and closes the remaining connections
// when ctx ends.
func (s *server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for w := range s.wires {
		w.stop()
	}
	s.mu.Unlock()
	err := s.smtp.Shutdown(ctx)
	if ctx.Err() != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for w := range s.wires {
			w.Conn.Close()
		}
	}
	return err
}

// smtpLog is what go-smtp writes to. Only a panic is an error; the rest is
// about peers that came and went.
type smtpLog struct{ log *slog.Logger }

// Printf implements [smtp.Logger].
func (l smtpLog) Printf(format string, args ...any) {
	level := slog.LevelDebug
	if strings.HasPrefix(format, "panic") {
		level = slog.LevelError
	}
	l.log.Log(context.Background(), level, "smtp: "+fmt.Sprintf(format, args...))
}

// Println implements [smtp.Logger].
func (l smtpLog) Println(args ...any) { l.Printf("%s", fmt.Sprintln(args...)) }

// tracked is a listener that registers its connections with the server.
type tracked struct {
	net.Listener
	server *server
}

func (t *tracked) Accept() (net.Conn, error) {
	conn, err := t.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := t.server
	w := &wire{Conn: conn, server: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wires == nil {
		s.wires = make(map[*wire]struct{})
	}
	s.wires[w] = struct{}{}
	if s.stopping {
		w.stop()
	}
	return w, nil
}

// wire is a connection below go-smtp, and below TLS.
type wire struct {
	net.Conn
	server *server

	ended  atomic.Bool // a read failed for good: the peer hung up
	hangUp atomic.Bool // reads return EOF from now on

	mu       sync.Mutex
	messages int  // that are being received
	stopping bool // no new message may begin
	instant  bool // reads do not wait
}

// wireOf returns the wire under a connection.
func wireOf(conn net.Conn) *wire {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	return conn.(*wire)
}

// work notes that a message is being received, until done is called. Shutdown
// waits for that.
func (w *wire) work() (done func()) {
	w.add(1)
	return func() { w.add(-1) }
}

func (w *wire) add(messages int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages += messages
}

// stop makes go-smtp's next read time out, after which go-smtp sends 421.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopping = true
	if w.messages == 0 {
		w.instant = true
		w.Conn.SetReadDeadline(longAgo)
	}
}

// SetReadDeadline implements [net.Conn].
func (w *wire) SetReadDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopping && w.messages == 0 {
		t = longAgo
	}
	w.instant = t.Equal(longAgo)
	return w.Conn.SetReadDeadline(t)
}

func (w *wire) Read(p []byte) (int, error) {
	if w.hangUp.Load() {
		return 0, io.EOF
	}
	n, err := w.Conn.Read(p)
	switch {
	case err == nil:
	case !errors.Is(err, os.ErrDeadlineExceeded):
		w.ended.Store(true)
	case w.stalled():
		// The rest of the message must not be taken for commands. And go-smtp
		// would turn an error in a chunk into a final reply.
		w.hangUp.Store(true)
		err = errTryAgain
	}
	return n, err
}

// stalled reports whether a time-out is that of a sender in the middle of a
// message.
func (w *wire) stalled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.messages > 0 && !w.instant
}

// Close implements [net.Conn].
func (w *wire) Close() error {
	w.server.mu.Lock()
	delete(w.server.wires, w)
	w.server.mu.Unlock()
	return w.Conn.Close()
}

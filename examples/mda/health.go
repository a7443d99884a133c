package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// health answers the probes of a load balancer over HTTP:
//
//   - GET /live: 200 as long as the process answers. It does not ask the store:
//     a store that has lost its cluster connects again by itself, and a restart
//     would only cut clients off.
//   - GET /ready: 200 while mail can be taken and served, else 503 and the
//     reason.
type health struct {
	server *http.Server
	store  atomic.Pointer[store] // nil until it is open
	ending atomic.Bool
}

// probePatience is how long a store may take to report that it is ready.
const probePatience = 5 * time.Second

var (
	errStarting = errors.New("starting")
	errStopping = errors.New("stopping")
)

func newHealth() *health {
	h := new(health)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "live") })
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, r *http.Request) {
		if err := h.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: probePatience}
	return h
}

// Serve answers requests on listener until close.
func (h *health) Serve(listener net.Listener) error {
	if err := h.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// opened notes that the store is open.
func (h *health) opened(s store) { h.store.Store(&s) }

// stopping notes that no new clients should come. Clients that are connected
// have the time of grace, and probes get answers until the end.
func (h *health) stopping() { h.ending.Store(true) }

func (h *health) close() { h.server.Close() }

func (h *health) ready(ctx context.Context) error {
	s := h.store.Load()
	switch {
	case h.ending.Load():
		return errStopping
	case s == nil:
		return errStarting
	}
	// A store in this process or on its disk is always ready.
	remote, ok := (*s).(interface{ Ready(context.Context) error })
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	return remote.Ready(ctx)
}

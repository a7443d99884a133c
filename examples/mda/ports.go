package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/popcask/popcask/pop3"
)

// ports are the listeners of the program, by the names of their flags. Printed,
// they are what the ready line says.
type ports struct {
	names     []string
	listeners map[string]net.Listener
}

// listen takes an address, so that it is known before anything starts whether
// all of them can be had.
func (p *ports) listen(name, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("-%s: %w", name, err)
	}
	if p.listeners == nil {
		p.listeners = make(map[string]net.Listener)
	}
	p.names = append(p.names, name)
	p.listeners[name] = listener
	return nil
}

// serve hands the listener of that name, if there is one, to a server. That the
// server ends because it was told to is no failure.
func (p *ports) serve(name string, serve func(net.Listener) error, failed chan<- error) {
	listener := p.listeners[name]
	if listener == nil {
		return
	}
	go func() {
		if err := serve(listener); err != nil && !errors.Is(err, pop3.ErrServerClosed) {
			failed <- fmt.Errorf("-%s: %w", name, err)
		}
	}()
}

// addr is where the listener of that name is, nil where there is none.
func (p *ports) addr(name string) net.Addr {
	if listener := p.listeners[name]; listener != nil {
		return listener.Addr()
	}
	return nil
}

// onLoopback tells whether nobody but this machine can reach POP3.
func (p *ports) onLoopback() bool {
	for _, name := range []string{"pop3", "pop3s"} {
		if tcp, ok := p.addr(name).(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			return false
		}
	}
	return true
}

func (p *ports) close() {
	for _, listener := range p.listeners {
		listener.Close()
	}
}

func (p *ports) String() string {
	words := make([]string, len(p.names))
	for i, name := range p.names {
		words[i] = name + "=" + p.listeners[name].Addr().String()
	}
	return strings.Join(words, " ")
}

package main

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"strings"

	"github.com/popcask/popcask/mailbox/lmtp"
	"github.com/popcask/popcask/pop3"
)

// ports are the listeners of the program, by the names of their flags. Printed,
// they are the rest of the ready line.
type ports struct {
	names     []string
	listeners map[string]net.Listener
	failed    chan error // of the servers
}

// listen listens on addresses, by the names of their flags: on all of them, or
// there is an error.
func listen(addresses iter.Seq2[string, string]) (*ports, error) {
	p := &ports{listeners: make(map[string]net.Listener)}
	for name, address := range addresses {
		listener, err := listenOn(address)
		if err != nil {
			p.close()
			return nil, fmt.Errorf("-%s: %w", name, err)
		}
		p.names = append(p.names, name)
		p.listeners[name] = listener
	}
	p.failed = make(chan error, len(p.names))
	return p, nil
}

// listenOn listens on host:port, or on a Unix socket: unix:/path.
func listenOn(address string) (net.Listener, error) {
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		return listenUnix(path)
	}
	return net.Listen("tcp", address)
}

// serve runs a server on the listener of that name, if there is one. It is not
// a failure that a server ends because it was shut down.
func (p *ports) serve(name string, serve func(net.Listener) error) {
	listener := p.listeners[name]
	if listener == nil {
		return
	}
	go func() {
		err := serve(listener)
		if err != nil && !errors.Is(err, pop3.ErrServerClosed) && !errors.Is(err, lmtp.ErrServerClosed) {
			p.failed <- fmt.Errorf("-%s: %w", name, err)
		}
	}()
}

// addr is the address of the listener of that name, nil if there is none.
func (p *ports) addr(name string) net.Addr {
	if listener := p.listeners[name]; listener != nil {
		return listener.Addr()
	}
	return nil
}

// onLoopback reports whether POP3 can be reached from this machine only.
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
		addr := p.listeners[name].Addr()
		words[i] = name + "=" + addr.String()
		if addr.Network() == "unix" {
			words[i] = name + "=" + unixPrefix + addr.String()
		}
	}
	return strings.Join(words, " ")
}

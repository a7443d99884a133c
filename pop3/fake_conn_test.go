package pop3_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"time"
)

// script is a connection whose client sends everything at once and reads
// afterwards: a session over it needs no goroutine and no waiting.
type script struct {
	input io.Reader
	step  int // octets that arrive at a time; 0: as many as the server reads
	out   bytes.Buffer
}

func newScript(input []byte, step int) *script {
	return &script{input: bytes.NewReader(input), step: step}
}

func (s *script) Read(p []byte) (int, error) {
	if s.step > 0 && len(p) > s.step {
		p = p[:s.step]
	}
	return s.input.Read(p)
}

func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return scriptAddr{} }
func (s *script) RemoteAddr() net.Addr             { return scriptAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

type scriptAddr struct{}

func (scriptAddr) Network() string { return "script" }
func (scriptAddr) String() string  { return "script" }

// cutOff is a connection that breaks after some octets of the server.
type cutOff struct {
	script
	left int // to write
}

func (c *cutOff) Write(p []byte) (int, error) {
	n := min(c.left, len(p))
	c.left -= n
	c.out.Write(p[:n])
	if n < len(p) {
		return n, errors.New("connection reset by peer")
	}
	return n, nil
}

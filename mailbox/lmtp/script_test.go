package lmtp_test

import (
	"bytes"
	"io"
	"net"
	"time"
)

// script is a connection whose client has sent everything already. Each read
// returns a piece of it, of the lengths in cuts, over and over.
type script struct {
	input string
	cuts  []byte
	reads int
	out   bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) {
	if s.input == "" {
		return 0, io.EOF
	}
	n := len(p)
	if len(s.cuts) > 0 {
		n = int(s.cuts[s.reads%len(s.cuts)]) + 1
		s.reads++
	}
	n = copy(p[:min(n, len(p))], s.input)
	s.input = s.input[n:]
	return n, nil
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

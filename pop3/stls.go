package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// stls answers STLS (RFC 2595 section 4). The server forgets the user and the
// language that the client named before, and never reads what came after STLS in
// the clear. What it said itself in the greeting stays good, and so does what a
// trusted proxy has said by XCLIENT, which Dovecot's sends before STLS.
func (c *Conn) stls(ctx context.Context, _ arguments) error {
	switch {
	case c.server.tlsConfig == nil:
		return impossible("TLS is not offered here")
	case c.isTLS():
		return mistake("TLS is active already")
	case c.in.Buffered() > 0:
		// An attacker in the middle may have put it there, to be taken for
		// something that was said under TLS.
		return &Error{Text: "nothing may follow STLS before TLS", Close: true}
	}
	c.out.strings("+OK begin TLS\r\n")
	if err := c.out.flush(); err != nil {
		return c.gone(err)
	}
	secure := tls.Server(c.nc, c.server.tlsConfig)
	c.mu.Lock()
	c.nc = secure
	c.mu.Unlock()
	c.in = bufio.NewReaderSize(secure, readBuffer)
	c.out.nc = secure
	c.named = ""
	c.language = nil
	if end := c.handshake(ctx, secure); end != nil {
		return end
	}
	return nil
}

// handshake begins TLS within the time that a handshake and a login may take.
func (c *Conn) handshake(ctx context.Context, secure netserver.TLSConn) *ended {
	c.mu.Lock()
	stopping := c.shutdown
	if !stopping {
		secure.SetDeadline(netserver.Earlier(netserver.FromNow(c.server.limit.handshake), c.loginDeadline()))
	}
	c.mu.Unlock()
	if stopping {
		return &ended{ReasonShutdown, ErrServerClosed}
	}
	noting, certificate := netserver.NoteCertificate(ctx)
	if err := secure.HandshakeContext(noting); err != nil {
		if ctx.Err() != nil { // it was displaced, or the server closes
			return c.gone(err)
		}
		c.server.failedHandshakes.Log(ctx, c.server.log, "pop3: TLS handshake failed", c.RemoteAddr(), err)
		return &ended{ReasonHandshake, err}
	}
	state := secure.ConnectionState()
	if !state.DidResume { // before TLS 1.3 one is chosen all the same
		c.certificate = certificate
	}
	secure.SetWriteDeadline(time.Time{})
	c.logTLS(ctx, state)
	if c.server.hooks.TLS != nil {
		c.server.hooks.TLS(ctx, c, state)
	}
	return nil
}

package lmtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"strings"
	"time"

	"github.com/popcask/popcask/internal/netserver"
)

// startTLS answers STARTTLS (RFC 3207 section 4). The server forgets what the
// client said before, and never reads what came after STARTTLS in the clear.
func (c *Conn) startTLS(ctx context.Context, arguments string) error {
	switch {
	case strings.TrimSpace(arguments) != "":
		return mistake{refusal(501, "5.5.4", "STARTTLS has no argument")}
	case c.server.tlsConfig == nil:
		return refusal(502, "5.5.1", "TLS is not offered here")
	case c.isTLS():
		return mistake{refusal(503, "5.5.1", "TLS is active already")}
	case c.in.Buffered() > 0:
		// An attacker in the middle may have put it there, to be taken for
		// something that was said under TLS.
		return &Error{Code: 501, Enhanced: "5.5.4", Text: "Nothing may follow STARTTLS before TLS", Close: true}
	}
	c.say(220, "2.0.0", "Begin TLS")
	if err := c.out.Flush(); err != nil {
		return &ended{ReasonClientGone, err}
	}
	secure := tls.Server(c.nc, c.server.tlsConfig)
	c.mu.Lock()
	c.nc, c.name = secure, ""
	c.mu.Unlock()
	c.in = bufio.NewReaderSize(secure, readBuffer)
	c.hello, c.mail = "", envelope{}
	if end := c.handshake(ctx, secure); end != nil {
		return end
	}
	return nil
}

// handshake begins TLS.
func (c *Conn) handshake(ctx context.Context, secure netserver.TLSConn) *ended {
	c.mu.Lock()
	stopping := c.shutdown
	if !stopping {
		secure.SetDeadline(netserver.FromNow(c.server.limit.handshake))
	}
	c.mu.Unlock()
	if stopping {
		return &ended{ReasonShutdown, ErrServerClosed}
	}
	if err := secure.HandshakeContext(ctx); err != nil {
		if ctx.Err() == nil { // it was neither displaced, nor does the server close
			c.server.failedHandshakes.Log(ctx, c.server.log, "lmtp: TLS handshake failed", c.RemoteAddr(), err)
		}
		return &ended{ReasonHandshake, err}
	}
	secure.SetWriteDeadline(time.Time{})
	if c.server.hooks.TLS != nil {
		c.server.hooks.TLS(ctx, c, secure.ConnectionState())
	}
	return nil
}

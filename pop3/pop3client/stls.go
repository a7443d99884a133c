package pop3client

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// StartTLS begins TLS on a plain connection, by STLS (RFC 2595 section 4). A
// config that is nil is Options.TLS. An [*Error] leaves the connection as it
// was, in the clear. What the server said before TLS is forgotten: the
// capabilities and the timestamp of APOP.
func (c *Client) StartTLS(ctx context.Context, config *tls.Config) error {
	if c.IsTLS() {
		return wrap("STLS", errors.New("TLS is active already"))
	}
	if config == nil {
		config = c.options.TLS
	}
	config, err := tlsConfig(config, c.host)
	if err != nil {
		return wrap("STLS", err)
	}
	if _, err := c.ask(ctx, "STLS"); err != nil {
		return wrap("STLS", err)
	}
	if n := c.in.Buffered(); n > 0 {
		// An attacker in the middle may have put it there, to be taken for
		// something that was said under TLS.
		more, _ := c.in.Peek(n)
		return wrap("STLS", c.fail(protocolError("octets in the clear after STLS", more)))
	}
	secure, err := c.options.handshake(ctx, c.conn, config)
	if err != nil {
		return wrap("STLS", c.fail(err))
	}
	c.conn, c.in = secure, bufio.NewReaderSize(secure, c.options.MaxLine)
	c.capabilities, c.timestamp = nil, ""
	return nil
}

// tlsConfig fills in what a config lacks. The host may be empty.
func tlsConfig(config *tls.Config, host string) (*tls.Config, error) {
	if config == nil {
		config = &tls.Config{}
	}
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.ServerName = cmp.Or(config.ServerName, host)
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"pop3"}
	}
	if config.ServerName == "" && !config.InsecureSkipVerify {
		return nil, errors.New("the TLS config needs a ServerName")
	}
	return config, nil
}

// handshake begins TLS on a connection, which it closes if there is an error.
func (o Options) handshake(ctx context.Context, conn net.Conn, config *tls.Config) (net.Conn, error) {
	conn.SetDeadline(o.deadline())
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

package pop3client

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// Client is a session with a POP3 server. It is used by one goroutine at a
// time.
//
// The end of a context ends a wait at once. It ends the connection too, as does
// any error of the network, of the protocol or of a limit: the connection is
// closed then, and every later method returns the first error again.
type Client struct {
	conn    net.Conn
	in      *bufio.Reader
	options Options
	host    string // of the address; empty if it is not known

	greeting     string
	timestamp    string       // of the greeting, for APOP; empty: none
	capabilities Capabilities // nil: not known in this state

	ahead   int   // lines that were sent and have no answer yet
	looping bool  // in RetrieveAll
	body    *body // that is being read, or nil
	broken  error // why the connection has ended, or nil
}

// Dial connects to an address, "host:port", in the clear. The port of POP3 is
// 110. If the server refuses the connection, the error is an [*Error].
func Dial(ctx context.Context, address string, options Options) (*Client, error) {
	return dial(ctx, address, options, false)
}

// DialTLS connects to an address, "host:port", with TLS from the first octet on
// (RFC 8314 section 3.3). The port of POP3S is 995.
func DialTLS(ctx context.Context, address string, options Options) (*Client, error) {
	return dial(ctx, address, options, true)
}

func dial(ctx context.Context, address string, options Options, secure bool) (*Client, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, wrap("dial", err)
	}
	config, err := tlsConfig(options.TLS, host)
	if err != nil {
		return nil, wrap("dial", err)
	}
	options = options.withDefaults()
	conn, err := (&net.Dialer{Deadline: options.deadline()}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, wrap("dial", err)
	}
	if secure {
		conn, err = options.handshake(ctx, conn, config)
		if err != nil {
			return nil, wrap(address, err)
		}
	}
	c, err := New(ctx, conn, options)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w (from %s)", err, address)
	}
	c.host = host
	return c, nil
}

// New makes a client of a connection of any kind, and reads the greeting. The
// connection is the client's, and stays the caller's to close if there is an
// error. If the server refuses the connection, that is an [*Error]; the client
// is returned all the same, and can only be closed.
func New(ctx context.Context, conn net.Conn, options Options) (*Client, error) {
	c := &Client{conn: conn, options: options.withDefaults()}
	c.in = bufio.NewReaderSize(conn, c.options.MaxLine)
	line, err := c.answer(ctx)
	if err != nil {
		return nil, wrap("greeting", err)
	}
	c.greeting = string(line)
	c.timestamp = timestamp(c.greeting)
	_, err = parseStatus(line)
	if err != nil && !errors.As(err, new(*Error)) {
		return nil, wrap("greeting", err)
	}
	return c, wrap("greeting", err)
}

// Greeting returns the first line that the server sent, without its CRLF.
func (c *Client) Greeting() string { return c.greeting }

// Conn returns the connection, for what the client cannot do. After
// [Client.StartTLS] it is the one of TLS.
func (c *Client) Conn() net.Conn { return c.conn }

// IsTLS reports whether the connection is encrypted.
func (c *Client) IsTLS() bool {
	_, is := c.conn.(interface{ ConnectionState() tls.ConnectionState })
	return is
}

// Close closes the connection without QUIT, so that the server removes nothing.
// A client that is closed already returns nil.
func (c *Client) Close() error {
	if c.broken != nil {
		return nil // and the connection is closed
	}
	c.broken = ErrClosed
	return c.conn.Close()
}

// Hijack hands over the connection, with its deadlines cleared, and ends the
// client: a director that has logged in splices it to its own client. Every
// answer must have been read.
func (c *Client) Hijack() (net.Conn, error) {
	if err := c.idle(context.Background()); err != nil {
		return nil, wrap("hijack", err)
	}
	if c.in.Buffered() > 0 {
		more, _ := c.in.Peek(c.in.Buffered())
		return nil, wrap("hijack", c.fail(protocolError("octets that no command asked for", more)))
	}
	c.broken = ErrClosed
	return c.conn, c.conn.SetDeadline(time.Time{})
}

// idle returns an error unless a command may be sent and its answer be the
// next.
func (c *Client) idle(ctx context.Context) error {
	if err := c.usable(); err != nil {
		return err
	}
	if c.ahead > 0 || c.looping {
		return ErrBusy
	}
	return ctx.Err()
}

// usable returns an error unless a line may be sent or read. It does not ask
// the context: one that has ended while an answer is to come must end the
// connection, which the next wait does.
func (c *Client) usable() error {
	switch {
	case c.broken != nil:
		return fmt.Errorf("the connection has ended: %w", c.broken)
	case c.body != nil:
		return ErrBusy
	}
	return nil
}

// fail ends the connection because of an error, and returns it. It takes no
// leave by TLS, since the server may not be reading.
func (c *Client) fail(err error) error {
	c.broken = err
	if secure, is := c.conn.(interface{ NetConn() net.Conn }); is {
		secure.NetConn().Close()
	} else {
		c.conn.Close()
	}
	return err
}

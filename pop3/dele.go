package pop3

import "context"

// dele answers DELE (RFC 1939 section 5). It marks the message, which QUIT then
// removes.
func (c *Conn) dele(_ context.Context, a arguments) error {
	i, err := c.maildrop.at(a.n)
	if err != nil {
		return err
	}
	c.maildrop.mark(i)
	c.out.strings("+OK message ")
	c.out.numbers(int64(a.n))
	c.out.strings(" deleted\r\n")
	return nil
}

// rset answers RSET (RFC 1939 section 5).
func (c *Conn) rset(context.Context, arguments) error {
	c.maildrop.unmarkAll()
	c.maildrop.retrieved = nil
	c.out.strings("+OK maildrop has ")
	c.out.numbers(int64(c.maildrop.len()))
	c.out.strings(" messages\r\n")
	return nil
}

// noop answers NOOP (RFC 1939 section 5).
func (c *Conn) noop(context.Context, arguments) error {
	c.out.strings("+OK\r\n")
	return nil
}

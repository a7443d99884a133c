// Package pop3client is a POP3 client for programs that stand between a server
// and somebody else: gateways that fetch mail, directors that pass a session
// on, probes, and tests. It trusts the server with nothing.
//
//	client, err := pop3client.DialTLS(ctx, "pop.example.org:995", pop3client.Options{})
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	if err := client.Login(ctx, "demo", "secret"); err != nil {
//		return err
//	}
//	list, err := client.UIDL(ctx)
//	...
//	return client.Quit(ctx)
//
// [DialTLS], [Dial] and [New], on a connection of any kind, read the greeting.
// [Client.StartTLS] begins TLS on a plain connection. [Client.Login],
// [Client.Auth] and [Client.APOP] log in.
//
// # What it speaks
//
// All of RFC 1939, CAPA, pipelining and response codes (RFC 2449, RFC 3206),
// STLS and TLS from the first octet (RFC 2595, RFC 8314), AUTH with any SASL
// mechanism (RFC 5034), of which [Plain] is here. [Client.Command],
// [Client.Multi], [Client.Send], [Client.ReadStatus] and [Client.ReadBody] are
// for verbs of one's own.
//
// # What it takes care of
//
//   - A password crosses no connection without TLS, unless
//     Options.AllowInsecureAuth is set.
//   - Nothing that came in the clear counts after STLS.
//   - An answer is what the RFCs say, or a [*ProtocolError]: a line that ends
//     in a bare LF, a listing out of order, a unique-id that is none.
//   - A message that breaks off is never taken for whole.
//   - Every wait has an end, by Options.Timeout and by the context. The end of
//     a context is noticed at once.
//   - Memory is bounded by [Options], whatever the server sends. A message of
//     any size passes through one small buffer.
//   - No more is sent ahead than the network takes, so that client and server
//     never wait for each other.
//
// # What it does not do
//
// It does not parse messages, keep what it has seen, connect again, or share a
// connection among goroutines. It does not correct a server: one that breaks
// the protocol is left.
//
// # Errors
//
// An -ERR is an [*Error], and the session goes on. After any other error of the
// connection, the client is closed. [ErrInsecure], [ErrBusy] and arguments that
// are wrong send nothing, and leave the connection as it was.
//
// # For tests
//
// Package pop3test has a server on loopback, and a client that fails the test.
package pop3client

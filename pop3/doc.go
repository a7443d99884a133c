// Package pop3 is a POP3 server that any Go program can embed. It serves the
// mail of any store that implements package mailbox.
//
// A [Server] answers connections, a [Handler] begins a session for each, and
// [Login] makes a handler of an authenticator and a store:
//
//	server := &pop3.Server{
//		Handler:   pop3.Login(authenticator, store),
//		TLSConfig: tlsConfig,
//	}
//	err := server.ListenAndServe()
//
// [Users] is an authenticator to begin with. Without TLSConfig passwords are
// refused, unless AllowInsecureAuth is set.
//
// # What it speaks
//
// All of RFC 1939 (USER, PASS, APOP, STAT, LIST, RETR, DELE, NOOP, RSET, TOP,
// UIDL, QUIT), CAPA with PIPELINING and RESP-CODES (RFC 2449), AUTH-RESP-CODE
// (RFC 3206), STLS and TLS from the first octet (RFC 2595, RFC 8314), AUTH with
// any SASL mechanism (RFC 5034), of which PLAIN (RFC 4616) comes with [Login].
// All commands stand in one table, in command.go.
//
// # What it takes care of
//
// The server owns message numbers, delete marks, sums, unique-ids, line ends,
// byte-stuffing and octet counts. A store sees four calls.
//
//   - Message numbers stay the same for the whole session. A message that
//     arrives later is in the next session.
//   - LIST says as many octets as RETR sends.
//   - A message that cannot be opened is a clean -ERR. If one fails halfway,
//     the server ends the connection before the final dot, so that no client
//     takes the message for whole.
//   - QUIT removes the marked messages before it answers, and answers -ERR if
//     it could not remove them all. A connection that breaks removes nothing.
//   - A password crosses no connection without TLS unless AllowInsecureAuth is
//     set. An unknown user and a wrong password get the same answer.
//   - The server reads nothing that follows STLS in the clear, and forgets what
//     the client said before.
//   - Memory is bounded: a connection that waits holds half a KiB of buffers, a
//     message of any size passes through 48 KiB, and a listing is packed.
//
// # Errors of the host
//
// An error of a handler, an authenticator or a store is answered as follows.
// Its own text goes to the log, and not to the client.
//
//	*Error                                the code and the text that it says
//	mailbox.ErrAuthFailed, ErrNoSuchUser  -ERR [AUTH], one text for both
//	mailbox.ErrInUse                      -ERR [IN-USE]
//	mailbox.ErrPermanent                  -ERR [SYS/PERM]
//	mailbox.ErrNotFound (RETR, TOP)       -ERR, and the session goes on
//	anything else                         -ERR [SYS/TEMP]
//
// # For tests
//
// Package pop3test starts a server on a loopback port, with a certificate and a
// small client, as httptest does for HTTP.
package pop3

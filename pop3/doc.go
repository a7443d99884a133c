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
// [Users] is an authenticator to begin with, and package auth has more. Without
// TLSConfig passwords are refused, unless AllowInsecureAuth is set.
//
// # What it speaks
//
// All of RFC 1939 (USER, PASS, APOP, STAT, LIST, RETR, DELE, NOOP, RSET, TOP,
// UIDL, QUIT), CAPA with PIPELINING and RESP-CODES (RFC 2449), AUTH-RESP-CODE
// (RFC 3206), STLS and TLS from the first octet (RFC 2595, RFC 8314), UTF8 and
// LANG (RFC 6856), LOGIN-DELAY, EXPIRE and IMPLEMENTATION (RFC 2449), and AUTH
// with any SASL mechanism (RFC 5034). With [Login] come SCRAM-SHA-1 and
// SCRAM-SHA-256 (RFC 5802, RFC 7677), with channel binding (RFC 5929, RFC 9266),
// OAUTHBEARER (RFC 7628), XOAUTH2, EXTERNAL, CRAM-MD5, PLAIN (RFC 4616), LOGIN
// and ANONYMOUS (RFC 4505); offered is what the authenticator has the methods
// for. All commands stand in one table, in command.go, and all mechanisms in
// another, in sasl_mechanism.go.
//
// RFC.md, in this folder, has for each of these RFCs what it demands of a server,
// what this one does, and the tests that show it. Left out, with reasons there:
//
//   - Downgrading messages for clients that have not said UTF8 (RFC 6858), and the
//     response code UTF8: messages go out as they are. UTF8 is taken after the
//     login too.
//   - An exclusive lock of the maildrop, unless Server.Lock is set.
//   - 10 minutes of patience before the login: AuthTimeout is less.
//   - SASLprep of what comes by USER, PASS, PLAIN and LOGIN, which is the
//     authenticator's. Names of SCRAM and APOP are prepared.
//   - GSSAPI, NTLM, DIGEST-MD5 and OAUTH10A, unless by [WithMechanism], and SASL
//     security layers.
//   - Languages of +OK: LANG is for the texts of -ERR.
//   - TLS before 1.2, and the cipher suite of RFC 2595.
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
//   - What is owed is sent: pipelined answers are gathered, and do not wait for
//     a host that is slow. The last answer is not lost to a reset.
//   - A password crosses no connection without TLS unless AllowInsecureAuth is
//     set. An unknown user and a wrong password get the same answer.
//   - The server reads nothing that follows STLS in the clear, and forgets what
//     the client said before.
//   - Memory is bounded: a connection that waits holds half a KiB of buffers, a
//     message of any size passes through 48 KiB, and a listing is packed.
//
// # On a hostile network
//
// The zero value of every limit is meant for the open network.
//
//   - MaxConnections, MaxBeforeLogin, MaxPerAddress: connections that have not
//     logged in cannot keep others out. If there are too many, a newcomer takes
//     the place of the oldest one of the address that has the most.
//   - AuthTimeout and HandshakeTimeout bound how long one may take.
//   - Brake slows down guessing, by user and by address, and gives the checks
//     of credentials fair turns. [LocalBrake] is the default.
//   - MaxLine, MaxSASL and MaxLongLines bound the memory before the login,
//     MaxBadCommands and MaxRefused the patience with a client that is wrong.
//   - Server.Admit refuses a connection before the TLS handshake.
//
// What is turned away is counted ([Server.Stats]), told to Hooks.Reject or
// Hooks.Close, and logged, though not each of a flood.
//
// Behind a proxy set Server.Proxies if it speaks the PROXY protocol, or
// Server.XCLIENT if it sends that command: then all of this counts the addresses
// of the clients. Behind one that does neither all clients have its address: set
// MaxPerAddress and [LocalBrake].FreeTriesOfAddress to -1, and let the proxy
// count.
//
// # Errors of the host
//
// An error of a handler, an authenticator or a store is answered as follows, by
// what the host was asked for. Its own text goes to the log, and not to the
// client. An [*Error] is the code and the text that it says, at any moment.
//
//	mailbox error                greeting   login      RETR, TOP  STAT, LIST  QUIT
//	ErrAuthFailed, ErrNoSuchUser SYS/TEMP   AUTH       SYS/TEMP   SYS/TEMP    SYS/TEMP
//	ErrInUse                     SYS/TEMP   IN-USE     SYS/TEMP   SYS/TEMP    SYS/TEMP
//	ErrPermanent                 SYS/PERM   SYS/PERM   SYS/PERM   SYS/PERM    SYS/PERM
//	ErrNotFound                  SYS/TEMP   SYS/TEMP   no code    size 0      SYS/TEMP
//	anything else                SYS/TEMP   SYS/TEMP   SYS/TEMP   SYS/TEMP    SYS/TEMP
//
// A login is the check of the credentials, Store.Open and the listing. Commands
// of the host's own are answered as RETR is. A session goes on after each -ERR
// but that of QUIT.
//
// # To build on
//
//   - [Hooks] take a context, and Hooks.Begin may give each command one of its
//     own, for a trace. [Conn.ID] and [Conn.User] are in all log lines.
//   - [Command] is a command of the host's own, with its capability.
//   - [Conn.Hijack] hands a connection over, for a director that passes it on to
//     another server after the login.
//
// # For tests
//
// Package pop3test starts a server on a loopback port, with a certificate and a
// small client, as httptest does for HTTP.
package pop3

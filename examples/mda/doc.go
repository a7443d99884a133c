// The mda program is a mail delivery agent: LMTP and SMTP in, one mailbox for
// each user, POP3 out. It is small enough to read, and shows how the parts of
// Popcask are wired together. The real mail clients of examples/mda/clients are
// run against it.
//
//	go run ./examples/mda
//	curl pop3://demo:demo@127.0.0.1:1110/1
//
// mda -h explains the flags. What they do not say:
//
//   - The users are those in the users file (users.go). If every secret in it
//     is plain, as the demo user's is, POP3 also offers APOP. If one is hashed,
//     it does not, since APOP needs all of them in the clear, and every login
//     takes as long as one with the dearest hash of the file, whoever it is for
//     (users_login.go).
//   - The users file and the certificate are read again when they have changed,
//     which the program looks at once in a second, and at SIGHUP. If they
//     cannot be read then, or are wrong, that is logged, and what they said
//     before stays (reread.go). Sessions that are open stay in any case.
//   - Mail for user@any.domain goes to the user "user@any.domain" if there is
//     one, else to "user" (users_directory.go), and so does a login by that
//     name. The program relays nothing: other recipients are refused at RCPT.
//     Senders are not authenticated, so LMTP and SMTP belong on loopback, on a
//     Unix socket (-lmtp unix:/run/popcask/lmtp), or behind a mail transfer
//     agent. An address must have an @, except postmaster, and except over LMTP.
//   - A reply of 250 means that the message is stored as safely as the store
//     can store it; for maildir that both file and directory are on disk. Any
//     other reply means that this recipient does not have it, with one
//     exception: SMTP has one reply for all recipients. If some of them got the
//     message and others did not, the sender is asked to try again, and the
//     former get it twice. LMTP has a reply for each recipient.
//   - With -trace (the default) a message gets Return-Path, Delivered-To and
//     Received. Every octet after those is as it was received, except that each
//     line ends in CRLF, as POP3 needs it. Fields of these names that the
//     message already had stay.
//   - A message with more than a hundred Received fields is in a loop and is
//     refused (RFC 5321 section 6.3).
//   - With a certificate, LMTP and SMTP offer STARTTLS, and POP3 offers STLS.
//   - With -cassandra-ca the connections to the nodes are TLS, 1.2 or later.
//     The name of a node is always verified: its IP address, or the name of
//     -cassandra-server-name. The files of the client certificate may be
//     renewed while the program runs; the others are read at the start.
//   - With -health a load balancer can ask whether to send clients here
//     (/ready), and an orchestrator whether the process is alive (/live). Do
//     not restart a program that is not ready: a store that has lost its
//     cluster finds it again.
//   - SIGTERM and SIGINT stop the program: idle clients are told, a message
//     that is being received gets its reply. A second signal stops it at once.
//
// Where to begin reading: main.go wires the parts, of which package
// mailbox/lmtp takes mail in. The files store*.go open the store, users*.go are
// the users, and command*.go are the commands.
package main

// The mda program is a mail delivery agent: LMTP and SMTP in, a maildrop per
// user, POP3 out. It is small enough to read, and shows how the parts of
// Popcask are wired together; and it is what the real mail clients of
// examples/mda/clients are run against.
//
//	go run ./examples/mda
//	curl pop3://demo:demo@127.0.0.1:1110/1
//
// mda -h explains the flags. What they do not say:
//
//   - Users are those of the users file (users.go). Where every secret of the
//     file is plain, as that of the demo user is, POP3 offers APOP too; where one
//     is hashed it does not, since APOP needs all of them in the clear.
//   - Mail for user@any.domain goes to "user@any.domain" where there is such a
//     login, else to "user" (users_directory.go). The program relays nothing: other
//     recipients are refused at RCPT. It does not ask who is delivering, so its
//     LMTP and SMTP belong on loopback, or behind a mail transfer agent. An
//     address must have its @.
//   - An answer of 250 means that the message is stored as safely as the store
//     can; for maildir that it is on disk, file and directory. Anything else
//     means that this recipient does not have it, with one exception: SMTP has
//     one answer for all recipients, so where some got a message and others did
//     not it asks the sender to try again, and the former get it twice. LMTP
//     answers for each of them.
//   - With -trace (the default) a message gets Return-Path, Delivered-To and
//     Received; every octet after those is as it was received, its line ends
//     apart, which POP3 wants to be CRLF. Fields of the same names that it had
//     are left alone.
//   - A message with more than a hundred Received fields is in a loop and is
//     refused (RFC 5321 section 6.3).
//   - With a certificate, LMTP and SMTP offer STARTTLS, POP3 STLS.
//   - With -health a load balancer can ask whether to send clients here (/ready)
//     and an orchestrator whether the process is alive (/live). Do not restart it
//     for not being ready: a store that has lost its cluster finds it again.
//   - SIGTERM and SIGINT stop it: idle clients are told so, a message that is
//     under way gets its answer. A second signal stops it at once.
package main

// Package clients has tests only: real mail clients and real senders against
// examples/mda.
//
// curl, Python's poplib, fetchmail, mpop, getmail6, s-nail, Twisted,
// knadh/go-pop3, openssl s_client and Thunderbird fetch mail that was delivered
// over LMTP and SMTP a moment before. What each of them has stored is compared
// with what was sent, octet for octet. Dovecot serves the same Maildir beside
// the MDA. GNU SASL and Cyrus SASL log in by SCRAM, and bind it to TLS. curl and
// Angus Mail also log in by bearer tokens, which the MDA does not know: there the
// server is one in the test.
//
// Postfix, Exim, msmtp, swaks, curl, Python's smtplib and wneessen/go-mail send
// mail over LMTP and SMTP, over TCP and Unix sockets. What arrives is compared
// with what they were given: a mail server puts a Received field in front, and
// whatever else a sender changes is in a function of its test.
//
// .ci/clients-install installs all of them on a Debian machine. The test of a
// program that is missing is skipped, and so are those of Postfix and Exim
// without root; with POPCASK_REQUIRE_CLIENTS=1 they fail.
// POPCASK_MDA names a program to test in place of the one that is built from
// examples/mda.
//
// Each test starts an MDA of its own on free loopback ports, with a certificate
// of a CA that the test made, so that the clients verify the certificate. A
// scenario is a function that gets a running MDA; over runs it for each row of
// a table of stores. To test another store add a row: its name and its flags.
//
// Clients run with a HOME of their own, so that your own configuration files
// are neither read nor written.
package clients

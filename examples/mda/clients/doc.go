// Package clients holds no code, only the gate that real mail clients pass
// against examples/mda: curl, Python's poplib, fetchmail, mpop, getmail6,
// knadh/go-pop3, openssl s_client and Thunderbird fetch mail that was delivered
// over LMTP and SMTP a moment before, and what each of them wrote down is
// compared with what was sent, octet for octet.
//
// .ci/clients-install installs the clients on a Debian machine. A client that
// is missing skips its test; with POPCASK_REQUIRE_CLIENTS=1 it fails it.
// POPCASK_MDA names a program to test in place of the one that is built from
// examples/mda.
//
// Each test starts an MDA of its own on free loopback ports, with a certificate
// from a CA that the test made, so that the clients verify what they are shown.
// A scenario is a function that gets a running MDA; over runs it for each row of
// a table of stores, and another store is another row: its name, its flags.
//
// Clients run with a HOME of their own: the configuration files of whoever runs
// the tests are neither read nor written.
package clients

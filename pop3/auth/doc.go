// Package auth has authenticators that are ready to use with package pop3.
//
//   - [Users] and [File]: users and their secrets, which are read again when
//     their file changes. They are a mailbox.Directory too.
//   - [Chain]: several authenticators as one.
//   - [Cache]: in front of one that is slow.
//
// A function is a pop3.AuthenticatorFunc. Package cassandra/users keeps users in
// a table.
package auth

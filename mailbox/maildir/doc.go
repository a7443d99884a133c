// Package maildir is the durable store for one machine: a standard Maildir per
// user, below one directory. Any program that knows the format may deliver into
// it, read it and change flags at the same time; no lock is taken that other
// programs would have to know.
//
//	store, err := maildir.New("/var/mail/popcask", maildir.Options{})
//
// # What is promised
//
//   - A delivery is acknowledged after its file and the directory entries that
//     lead to it were synced. A process that is killed in the middle leaves at
//     most a file in tmp. A later delivery to the same user removes it when it
//     is 36 hours old.
//   - What is on disk is the canonical form: lines end in CRLF. This costs one
//     octet per line. In return the size of the file is the size that POP3
//     announces, and its content is what POP3 sends, octet for octet. Files of
//     other programs may have any line ends.
//   - A listing reads two directories. It opens no message and asks the size of
//     none: sizes are in the names (S= and W=, as Dovecot and Courier write
//     them). It is complete even if other programs rename files while it is
//     read. If cur changed less than 20 ms ago, the listing waits that long, to
//     be sure.
//   - A session writes nothing and moves nothing until it deletes: mail stays in
//     new until a program that knows flags moves it. The next section names the
//     one exception.
//
// # IDs, order, unique-ids
//
// The ID of a message is its file name up to the first comma or colon. What
// comes after may change during the life of a message (flags, a corrected
// size); Dovecot uses the same part as the identity. Messages are ordered by
// the time in the name, then by the ID. These are not messages: a name that
// begins with a period, a name without an ID, and anything but a regular file.
// Symbolic links are not followed.
//
// Two different files with one ID break the Maildir rules (copying a backup
// over live mail can do it). A listing that meets them gives one of them a new
// name, as Dovecot does: both are then listed, and removing one leaves the
// other.
//
// A foreign unique-id ([mailbox.Delivery.UIDL]) is a field of the file name
// (UIDL=), so it is kept exactly as long as the message. While a message with
// one is delivered, the mailbox is locked (flock of its directory) against
// other processes that use this package.
//
// # Sizes of other programs' mail
//
// A file without a plausible W= has an unknown size in the listing. The server
// counts it, and the store remembers the number ([Options.KnownSizes]) for
// later sessions of the process. It does not write the number into the name,
// because some programs use the whole name as the identity. If a size proves
// wrong when the message is read, the store remembers the right one in the same
// way. A wrong W= goes unnoticed if it agrees with S= and with the size of the
// file.
//
// # Directories
//
// The directory of a user is the canonical name ([mailbox.CanonicalUser]) with
// every octet but a-z, 0-9 and @ . _ + - = written as %XX. A very long name ends
// in a digest. No name leads out of the store, and no two share a directory.
// Inside a mailbox, symbolic links that lead out of it are errors.
//
// The file system must have atomic renames, and directory times that change with
// the directory: local file systems do. Directories are synced if the system can
// do it (Windows cannot).
package maildir

// Package maildir is the durable store for one machine: a standard Maildir per
// user, below one directory. Any program that knows the format may deliver into
// it, read it and change flags at the same time; no lock is taken that they
// would have to know.
//
//	store, err := maildir.New("/var/mail/popcask", maildir.Options{})
//
// # What is promised
//
//   - A delivery is acknowledged after its file and the directory entries that
//     lead to it were synced. A process killed in the middle leaves at most a
//     file in tmp, which a later delivery to the same user removes when it is 36
//     hours old.
//   - What is on disk is the canonical form: lines end in CRLF. It costs an
//     octet a line and makes the size of the file the size that POP3 announces,
//     and the content what POP3 sends, octet for octet. Other programs' files
//     may have any line ends.
//   - A listing reads two directories. It opens no message and asks the size of
//     none: sizes are in the names (S= and W=, as Dovecot and Courier write
//     them). It is complete although other programs rename while it is read; one
//     that follows a change of cur by less than 20 ms waits for that long, to be
//     sure of it.
//   - A session writes nothing and moves nothing until it deletes: mail stays in
//     new until a program that knows flags moves it. The one exception is named
//     below, under IDs.
//
// # IDs, order, unique-ids
//
// The ID of a message is its file name before the first comma or colon: what
// comes after may change in the life of a message (flags, a corrected size), and
// Dovecot takes it for the identity as well. Order is by the time in the name,
// then by the ID. A name that begins with a period is not a message, nor is one
// without an ID, nor what is not a regular file: symbolic links are not
// followed.
//
// Two different files with one ID break the Maildir rules (a backup copied over
// live mail does it). A listing that meets them gives one a new name, as Dovecot
// does: both are then listed, and removing one leaves the other.
//
// A foreign unique-id ([mailbox.Delivery.UIDL]) is a field of the file name
// (UIDL=), so it is there when the message is, and for as long. While one is
// delivered, a lock of the maildrop (flock of its directory) is held among
// processes that use this package.
//
// # Sizes of other programs' mail
//
// A file without a plausible W= has no known size: the listing says so, the
// server counts, and the store keeps the number ([Options.KnownSizes]) for later
// sessions of the process. It does not write the number into the name, for there
// are programs that take the whole name for the identity. A size that proves
// wrong when the message is read is corrected in the same way. A W= that is
// wrong, agrees with S= and with the size of the file goes unnoticed.
//
// # Directories
//
// The directory of a user is the canonical name ([mailbox.CanonicalUser]) with
// everything but a-z, 0-9 and @ . _ + - = written as %XX; a very long one ends in a
// digest. No name leads out of the store, and no two share a directory. Within,
// symbolic links that lead out of a maildrop are errors.
//
// File systems must have atomic renames and directory times that change with the
// directory: local ones do. Directories are synced where the system can (not on
// Windows).
package maildir

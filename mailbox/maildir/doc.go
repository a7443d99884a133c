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
//   - A delivery that is refused is not in the mailbox, even if another program
//     moves or removes the file in the moment in which it appears in new. The
//     one exception is a disk that can neither sync the message nor remove it:
//     then the error says that the message may come twice.
//   - What is on disk is the canonical form: lines end in CRLF. This costs one
//     octet per line. In return the size of the file is the size that POP3
//     announces, and its content is what POP3 sends, octet for octet. Files of
//     other programs may have any line ends.
//   - A listing reads two directories. It opens no message and asks the size of
//     none: sizes are in the names (S= and W=, as Dovecot and Courier write
//     them). It is complete even if other programs rename files while it is
//     read. If cur changed less than 20 ms ago, the listing waits that long, to
//     be sure. Where the times of directories have no fraction of a second it
//     is 2 s, and 4 s in all while cur changes without a pause.
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
// A file without a plausible W= has an unknown size in the listing. The store
// counts it when the server asks (a session is a [mailbox.Sizer]), and remembers
// the number ([Options.KnownSizes]) for later sessions of the process. It does
// not write the number into the name, because some programs use the whole name
// as the identity. A file that cannot be read has an estimate, S= or the size of
// the file: only to open that message is an error.
//
// A listing believes the names. When a message is opened, its size is certain
// (the reader is a [mailbox.SizedBody]): W= is believed only if S= is the size
// of the file and the file ends in a line end, and otherwise the store counts,
// and remembers. A wrong W= that passes this goes unnoticed until the message
// was read.
//
// A message that Dovecot's zlib or mail_crypt plugin has compressed or encrypted
// is listed, and is [mailbox.ErrPermanent] when it is opened: rewrite such mail
// without the plugin first.
//
// # Directories
//
// The directory of a user is [DirName] of the canonical name
// ([mailbox.CanonicalUser]), or what [Options.Dir] says. No name leads out of
// the store. A directory that is a symbolic link out of the store is an error
// unless [Options.FollowLinks] is set; inside a mailbox, symbolic links that
// lead out of it always are.
//
// # A Maildir that is there already
//
// The options make the store fit an installation of Dovecot or Courier:
//
//	maildir.Options{
//		Dir: func(user string) (string, error) { // example.org/bob/Maildir
//			name, domain, _ := strings.Cut(user, "@")
//			return maildir.DirName(domain) + "/" + maildir.DirName(name) + "/Maildir", nil
//		},
//		FileMode: 0o660,
//		DirMode:  fs.ModeSetgid | 0o770,
//		UIDL:     maildir.DovecotUIDL("dovecot-uidlist"),
//	}
//
// With [Options.UIDL] the clients do not fetch again what they have. Only the
// inbox is served: not the folders of Maildir++ (.Sent), which are left alone.
//
// # File systems
//
// The file system must have atomic renames, and directory times that change with
// the directory: local file systems do. Directories are synced if the system can
// do it: Windows cannot, and some network and FUSE file systems cannot, which
// [Options.OnError] hears once.
//
// NFS is not tested. Deliveries need nothing special of it, except those with a
// foreign unique-id, which are refused where a directory cannot be locked with
// flock. A listing that is read while another program renames files can miss one
// of them unless the client caches no attributes (the mount options noac or
// actimeo=0) and its clock agrees with that of the server, to 10 ms or, if the
// server keeps whole seconds, to one second.
package maildir

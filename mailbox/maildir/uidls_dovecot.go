package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// DovecotUIDL is for [Options.UIDL]: the unique-ids that Dovecot's POP3 server
// shows with the pop3_uidl_format that it has unless that is set, %08Xu%08Xv. It
// reads them from a file of the Maildir, which is dovecot-uidlist for Dovecot
// itself (format 1 or 3). A unique-id that is kept there for a message alone
// (P), as of one that came from Courier, goes before the format.
//
// What is not in the file has the default: all messages of a Maildir without the
// file, and those that arrive after Dovecot has stopped. A line that is none is
// passed over. A file without a header that can be read is an error.
//
// If Dovecot goes on in the same Maildir, as an IMAP server, it adds the
// messages to its file that come later, and their unique-ids would change after
// clients have seen the default. Then copy each dovecot-uidlist on the day of
// the move, and give the name of the copy.
func DovecotUIDL(file string) func(fs.FS) (func(name string) string, error) {
	return func(mailbox fs.FS) (func(string) string, error) {
		var list dovecotList
		uidls, err := readUIDLs(mailbox, file, list.header, list.line)
		return uidls.of, err
	}
}

// dovecotList reads a dovecot-uidlist.
type dovecotList struct {
	version  string
	validity uint64
}

// header reads "3 V<validity> N<next UID> ..." or "1 <validity> <next UID>".
func (l *dovecotList) header(text string) error {
	var rest string
	l.version, rest, _ = strings.Cut(text, " ")
	if l.version != "1" && l.version != "3" {
		return errors.New("want format 1 or 3 of dovecot-uidlist")
	}
	for i, field := range strings.Fields(rest) {
		value, isValidity := strings.CutPrefix(field, "V")
		if isValidity && l.version == "3" || i == 0 && l.version == "1" {
			l.validity = number32(value)
		}
	}
	if l.validity == 0 {
		return errors.New("no UIDVALIDITY")
	}
	return nil
}

// line reads "<UID> [<key><value> ...] :<file name>" or, in format 1,
// "<UID> <file name>".
func (l *dovecotList) line(text string) (file, uidl string) {
	first, rest, _ := strings.Cut(text, " ")
	uid := number32(first)
	if uid == 0 {
		return "", ""
	}
	uidl = fmt.Sprintf("%08x%08x", uid, l.validity)
	if l.version == "1" {
		return rest, uidl
	}
	own, hasOwn := "", false
	for rest != "" && rest[0] != ':' {
		var field string
		field, rest, _ = strings.Cut(rest, " ")
		if value, is := strings.CutPrefix(field, "P"); is {
			own, hasOwn = value, true
		}
	}
	file = strings.TrimPrefix(rest, ":")
	if hasOwn {
		if uidl = own; own == "" {
			uidl = withoutInfo(file)
		}
	}
	return file, uidl
}

// number32 is 0 for what is no number of 32 bits.
func number32(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0
	}
	return n
}

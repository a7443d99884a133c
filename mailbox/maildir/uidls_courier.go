package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// CourierUIDL is for [Options.UIDL]: the unique-ids that Courier's POP3 server
// has shown. It reads them from a file of the Maildir, which is
// courierpop3dsizelist for Courier itself (format 2 or 3). For the rest it is
// like [DovecotUIDL].
func CourierUIDL(file string) func(fs.FS) (func(name string) string, error) {
	return func(mailbox fs.FS) (func(string) string, error) {
		uidls, err := readUIDLs(mailbox, file, courierHeader, courierLine)
		return uidls.of, err
	}
}

// courierHeader reads "/<format> <next UID> <validity>".
func courierHeader(text string) error {
	if !strings.HasPrefix(text, "/2 ") && !strings.HasPrefix(text, "/3 ") {
		return errors.New("want format 2 or 3 of courierpop3dsizelist")
	}
	return nil
}

// courierLine reads "<file name> <size> <UID>:<validity>[:<is UTF-8>]".
func courierLine(text string) (file, uidl string) {
	rest, id, _ := cutLast(text, " ")
	file, _, found := cutLast(rest, " ")
	number, validity, _ := strings.Cut(id, ":")
	validity, _, _ = strings.Cut(validity, ":")
	uid, err := strconv.ParseUint(number, 10, 64)
	_, validityErr := strconv.ParseUint(validity, 10, 64)
	switch {
	case !found || err != nil || validityErr != nil:
		return "", ""
	case uid == 0:
		return file, courierEscape(withoutInfo(file))
	case validity == "0":
		return file, "UID" + number
	}
	return file, "UID" + number + "-" + validity
}

// courierEscape writes a file name as Courier shows it.
func courierEscape(name string) string {
	var escaped strings.Builder
	for _, c := range []byte(name) {
		if c < 0x21 || c > 0x7e || c == '\'' || c == '"' || c == '+' {
			fmt.Fprintf(&escaped, "+%02X", c)
		} else {
			escaped.WriteByte(c)
		}
	}
	return escaped.String()
}

func cutLast(s, separator string) (before, after string, found bool) {
	if at := strings.LastIndex(s, separator); at >= 0 {
		return s[:at], s[at+len(separator):], true
	}
	return s, "", false
}

package main

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/emersion/go-smtp"

	"github.com/popcask/popcask/mailbox"
)

// checkAddress refuses an address that a header field cannot have, and a
// non-ASCII address if the sender did not announce it (RFC 6531 section 3.5).
func checkAddress(address string, announced bool) error {
	switch {
	case len(address) > mailbox.MaxUserLength || !isText(address):
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "That is not an address"}
	case !announced && !isASCII(address):
		return &smtp.SMTPError{Code: 553, EnhancedCode: smtp.EnhancedCode{5, 6, 7}, Message: "That address needs SMTPUTF8"}
	}
	return nil
}

// path writes an address as it stands between < and >. go-smtp has removed the
// quotes from its local part.
func path(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 || isDotString(address[:at]) {
		return address
	}
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(address[:at])
	return `"` + quoted + `"` + address[at:]
}

// isDotString reports whether a local part needs no quotes (RFC 5321 section
// 4.1.2, with the non-ASCII of RFC 6531).
func isDotString(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool {
			return !isAlphanumeric(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
		}) {
			return false
		}
	}
	return true
}

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

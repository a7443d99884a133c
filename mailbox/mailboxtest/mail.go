package mailboxtest

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// mail returns an ordinary message: what every store takes, even one that
// parses messages or has a filter before it. It is ASCII, with the header fields
// that mail has, and with lines of less than 78 octets that end in CRLF (RFC
// 5322 section 2.1.1). Messages that differ have different Message-IDs.
func mail(subject string, body ...string) string {
	return dated("Mon, 05 Jan 2026 09:30:00 +0000", subject, body...)
}

// dated returns an ordinary message with a Date of its own.
func dated(date, subject string, body ...string) string {
	text := strings.Join(body, "")
	if text == "" {
		text = "Hello,\r\nworld.\r\n"
	}
	sum := sha256.Sum256([]byte(date + subject + text))
	return fmt.Sprintf("From: Kit <kit@popcask.example>\r\nDate: %s\r\nSubject: %s\r\nMessage-ID: <%x@popcask.example>\r\n\r\n%s",
		date, subject, sum[:16], text)
}

// text returns text of so many octets, at least 38, in whole lines of less than
// 78 octets.
func text(octets int) string {
	const line = "A line of text, and no other meaning\r\n"
	return strings.Repeat("x", octets%len(line)) + strings.Repeat(line, octets/len(line))
}

// sized returns an ordinary message of so many octets.
func sized(subject string, octets int) string {
	return mail(subject, text(octets-len(mail(subject, "x"))+1))
}

// large returns an ordinary message of more octets than a buffer holds.
func large(subject string) string { return sized(subject, 640<<10) }

package lmtp_test

import "strings"

// reference is the slow and obvious reader of DATA: it returns the octets of the
// message, and what follows its end. Without an end there is no message.
func reference(wire string) (message, rest string, ended bool) {
	text := "\r\n" + wire // a line begins here, too
	message, rest, ended = strings.Cut(text, "\r\n.\r\n")
	message = strings.ReplaceAll(message+"\r\n", "\r\n.", "\r\n")
	return message[len("\r\n"):], rest, ended
}

// canonical is what the store makes of a message.
func canonical(message string) string {
	var b strings.Builder
	for i := range len(message) {
		if message[i] == '\n' && (i == 0 || message[i-1] != '\r') {
			b.WriteByte('\r')
		}
		b.WriteByte(message[i])
	}
	text := b.String()
	switch {
	case text == "" || strings.HasSuffix(text, "\n"):
		return text
	case strings.HasSuffix(text, "\r"):
		return text + "\n"
	}
	return text + "\r\n"
}

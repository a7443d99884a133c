// Package lmtp takes mail in: a server for LMTP or SMTP that delivers into any
// [mailbox.Appender].
//
//	server := &lmtp.Server{Appender: store, Directory: directory}
//	go server.ListenAndServe()
//
// Over LMTP it gets mail from a mail server such as Postfix or Exim, over TCP or a
// Unix socket, which has done the rest: queues, spam, relaying. Over SMTP
// (Protocol: lmtp.SMTP) it can stand alone for a program that sends mail, in a
// closed network or in a test. It delivers, and does nothing else: it relays no
// mail, and knows no logins.
//
// # Delivery
//
// RCPT asks the [mailbox.Directory] whose address it is; an unknown recipient is
// refused there. The message is given to the Appender while it arrives, each
// recipient's copy with the header fields of a final delivery (RFC 5321 section
// 4.4), and it is acknowledged once the Appender has it. LMTP has an answer for
// each recipient. SMTP has one for all of them: if some have the message and
// others may have it later, the sender is asked to try again, and those that have
// it get it twice; if the others never will, the sender is told that it failed.
//
// A message ends with CR LF . CR LF and nothing else, so that two servers never
// see two different messages. Its octets are kept, of lines of any length and
// with any line ends.
//
// # Errors
//
// What a Directory or an Appender returns is answered so. The first row that
// [errors.Is] or [errors.As] finds counts; the sender does not see the text of
// the error.
//
//	*Error                     in its own words
//	mailbox.ErrNoSuchUser      550 5.1.1
//	mailbox.ErrOverQuota       552 5.2.2
//	mailbox.ErrTooLarge        552 5.3.4
//	syscall.ENOSPC             452 4.3.1
//	mailbox.ErrPermanent       554 5.3.0
//	any other                  451 4.3.0, try again later
//
// # Extensions
//
// PIPELINING (RFC 2920), SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC
// 6531), CHUNKING (RFC 3030), ENHANCEDSTATUSCODES (RFC 2034), STARTTLS (RFC 3207)
// and LIMITS (RFC 9422). BINARYMIME is not there, since POP3 has lines.
package lmtp

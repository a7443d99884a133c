package mailboxtest

// rule is what a failure cites: the place of the rule, and what it says.
type rule string

const (
	ruleEmpty     rule = "Store.Open: a user who never got mail has an empty mailbox"
	ruleWhole     rule = "P1, Mailbox.Messages: an acknowledged delivery is listed in every later session, and a listing is whole or an error"
	ruleOrder     rule = "Mailbox.Messages: oldest delivery first, always in the same order"
	ruleBreak     rule = "Mailbox.Messages: the server may stop a listing early and then go on with the session"
	ruleEnds      rule = "Mailbox.Messages: an error ends the sequence"
	ruleSize      rule = "P6, Message.Size, RFC 1939 section 11: the size is that of the canonical form, or negative"
	ruleOctets    rule = "P2, Mailbox.Open: what is listed can be retrieved octet for octet as stored"
	ruleReader    rule = "Mailbox.Open: the reader keeps the rules of io.Reader and, if it is one, of io.WriterTo"
	ruleSure      rule = "CanonicalBody: a body that says so is in the canonical form for certain"
	ruleNotFound  rule = "Mailbox.Open: a message that is not in the mailbox is ErrNotFound"
	ruleTemporary rule = "P2, Mailbox.Open: a message that cannot be had at the moment is never ErrNotFound"
	ruleEntire    rule = "OpenOptions.For: Retrieve and Measure ask for the whole message, whatever Lines is"
	ruleSizer     rule = "P6, Sizer.Size: the octets of the canonical form, or negative; the errors are those of Mailbox.Open"
	ruleReceipt   rule = "Receipter.Retrieved: takes the ID of any message, and changes no other message"
	ruleTop       rule = "mailbox.Top, RFC 1939 section 7: a store may send more than the top, never less"
	ruleNext      rule = "OpenOptions.Next: advice that may be ignored, and is not used after Open has returned"

	ruleID      rule = "Message.ID: not empty, and unique in the mailbox for all time"
	ruleUIDL    rule = "P5, RFC 1939 section 7: a UIDL is unique in its mailbox, never changes and is never reused"
	ruleLegal   rule = "RFC 1939 section 7: a UIDL has 1 to 70 octets from 0x21 to 0x7E"
	ruleForeign rule = "Delivery.UIDL: settled once for life; an illegal one becomes its SafeUIDL, one that is shown already is dropped"

	ruleDelete       rule = "P3, Mailbox.Delete: what was deleted is never listed again, and nothing else is gone"
	ruleDeleteAbsent rule = "Mailbox.Delete: an ID that is not there is a success"
	ruleDeleteWhole  rule = "P4, Mailbox.Delete: a message is removed wholly or not at all"
	ruleDeleteError  rule = "DeleteError: names what was not removed, with a cause each; all others of the call are gone"
	ruleClose        rule = "Mailbox.Close, RFC 1939 section 6: ending a session without QUIT removes nothing"
	ruleSessions     rule = "two sessions on one mailbox lose nothing"

	ruleCanonical  rule = "CanonicalUser: Open and Append make user names canonical in the same way"
	ruleImpossible rule = "Store.Open, Result.Err: a name that no user can have is ErrNoSuchUser"
	ruleOwn        rule = "a mailbox is its user's alone: no other name reaches it"

	ruleResults   rule = "Appender.Append: results[i] tells what became of Recipients[i], as a listing shows it"
	ruleHeader    rule = "Recipient.Header: goes before the body for this recipient alone"
	ruleBody      rule = "Appender.Append: a body that cannot be read to its end is an error, with nil results, and no recipient got it"
	ruleInvisible rule = "Appender.Append: no delivery is visible before its body was read to the end"
	ruleContext   rule = "a context that has ended leads to an error or to the whole result, never to a part of it"

	ruleSoon     rule = "a call whose context has ended returns soon"
	ruleOutlives rule = "Store.Open, Mailbox: a session outlives the contexts of its calls"
	ruleOrdinary rule = "errors.ErrUnsupported: a store may refuse what it cannot hold, but it takes ordinary mail"

	ruleListener rule = "Listener: hears of every change after it is certain"
	ruleHarmless rule = "Listener: never refuses mail and never delays it"
	ruleDrain    rule = "Store.Close: waits for work in the background, until its context ends"
	ruleClosed   rule = "Store.Close: calls after Close return ErrClosed"
	ruleDurable  rule = "P1, Harness.Reopen: a restart changes nothing"
)

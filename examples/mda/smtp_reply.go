package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/emersion/go-smtp"

	"github.com/popcask/popcask/mailbox"
)

// toReply translates an error of a directory or a store into an SMTP reply. The
// sender does not see the text of the error.
func toReply(err error) error {
	var reply *smtp.SMTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, smtp.ErrTooLongLine):
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "A line is too long"}
	case errors.Is(err, mailbox.ErrNoSuchUser):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such user here"}
	case errors.Is(err, mailbox.ErrOverQuota):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "Mailbox is full"}
	case errors.Is(err, mailbox.ErrTooLarge):
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Message is too large"}
	case errors.Is(err, syscall.ENOSPC):
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 3, 1}, Message: "Disk is full, try again later"}
	case errors.Is(err, mailbox.ErrPermanent):
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 3, 0}, Message: "Cannot be delivered"}
	}
	return errTryAgain
}

var errTryAgain = &smtp.SMTPError{
	Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Temporary failure, try again later",
}

// errNestedMAIL is the reply to MAIL within a transaction (RFC 5321 section
// 4.1.4).
var errNestedMAIL = &smtp.SMTPError{
	Code: 503, EnhancedCode: smtp.EnhancedCode{5, 5, 1}, Message: "A message was begun already: RSET ends it",
}

// oneReply makes one reply out of the results for all recipients. If no
// recipient got the message and none ever will, the reply is final. If some
// recipients did not get it but others did, or may get it later, the sender has
// to try again. The recipients that got it then get it twice, but none loses
// it.
func oneReply(errs []error) error {
	var final error
	delivered := 0
	for _, err := range errs {
		var reply *smtp.SMTPError
		switch err := toReply(err); {
		case err == nil:
			delivered++
		case errors.As(err, &reply) && reply.Temporary():
			return reply
		case final == nil:
			final = err
		}
	}
	switch {
	case final == nil:
		return nil
	case delivered > 0:
		return errTryAgain
	}
	return final
}

var errTooManyHops = &smtp.SMTPError{
	Code: 554, EnhancedCode: smtp.EnhancedCode{5, 4, 6},
	Message: fmt.Sprintf("Too many hops: more than %d Received fields", maxHops),
}

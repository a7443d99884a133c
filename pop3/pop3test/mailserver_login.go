package pop3test

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/popcask/popcask/mailbox/lmtp"
)

// anyLogin takes every login by PLAIN (RFC 4616) and LOGIN: many programs do not
// send mail without one.
var anyLogin = lmtp.Command{Verb: "AUTH", Keyword: "AUTH PLAIN LOGIN", Run: takeAnyLogin}

func takeAnyLogin(_ context.Context, c *lmtp.Conn, arguments string) (lmtp.Reply, error) {
	mechanism, response, hasResponse := strings.Cut(arguments, " ")
	var challenges []string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		challenges = []string{""}
	case "LOGIN":
		challenges = []string{"Username:", "Password:"}
	default:
		return lmtp.Reply{}, &lmtp.Error{Code: 504, Enhanced: "5.5.4", Text: "There are PLAIN and LOGIN"}
	}
	for i, challenge := range challenges {
		if i > 0 || !hasResponse { // or else it is the answer to the first
			var err error
			response, err = c.Prompt(lmtp.Reply{Code: 334, Text: base64.StdEncoding.EncodeToString([]byte(challenge))})
			if err != nil {
				return lmtp.Reply{}, err
			}
		}
		if _, err := base64.StdEncoding.DecodeString(response); err != nil && response != "=" { // which is empty
			return lmtp.Reply{}, &lmtp.Error{Code: 501, Enhanced: "5.5.2", Text: "Cancelled, or no base64"}
		}
	}
	return lmtp.Reply{Code: 235, Enhanced: "2.7.0", Text: "OK"}, nil
}
